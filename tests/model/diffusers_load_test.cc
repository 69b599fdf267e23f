// Directories of diffusers' families: what is said of good ones, what a request may ask of them, and which
// file and key is named of broken ones. The directories are those of tests/golden/parts/pipelines.py.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "model/pipeline.h"
#include "tests/testing/edited_files.h"

namespace easel {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/pipelines/";
const std::string kIndex = "model_index.json", kTransformer = "transformer/config.json",
                  kScheduler = "scheduler/scheduler_config.json";

std::unique_ptr<Pipeline> Load(const std::string& model) {
  at::set_num_threads(1);  // networks so small gain nothing from more
  auto pipeline = Pipeline::Load(kData + model, {});
  EXPECT_TRUE(pipeline.ok()) << pipeline.status();
  return pipeline.ok() ? *std::move(pipeline) : nullptr;
}

GenerationSpec DefaultSpec(const ModelInfo& info) {
  GenerationSpec spec;
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = info.default_steps;
  spec.guidance_scale = info.default_guidance_scale;
  spec.flow_shift = info.default_flow_shift;
  spec.sampler = info.samplers.front();
  return spec;
}

struct Refusal {
  std::function<void(GenerationSpec&)> change;
  std::string message;  // how it begins
};

void ExpectRefused(const Pipeline& pipeline, const std::vector<Refusal>& refusals) {
  EXPECT_EQ(pipeline.Validate(DefaultSpec(pipeline.info())), absl::OkStatus());
  for (const Refusal& refusal : refusals) {
    GenerationSpec spec = DefaultSpec(pipeline.info());
    refusal.change(spec);
    const absl::Status status = pipeline.Validate(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal.message;
    EXPECT_THAT(std::string(status.message()), StartsWith(refusal.message));
  }
}

TEST(DitFamily, SaysWhatItTakes) {
  const auto pipeline = Load("dit");
  ASSERT_NE(pipeline, nullptr);
  const ModelInfo& info = pipeline->info();
  EXPECT_EQ(info.family, "DiTPipeline");
  EXPECT_EQ(info.transformer, "DiTTransformer2DModel");
  EXPECT_TRUE(info.fixed_size);
  EXPECT_EQ(info.default_width, 16);
  EXPECT_EQ(info.default_steps, 50);
  EXPECT_EQ(info.default_guidance_scale, 4);
  EXPECT_TRUE(info.takes_class && info.takes_guidance);
  EXPECT_FALSE(info.takes_prompt || info.takes_negative_prompt || info.takes_true_cfg ||
               info.takes_flow_shift);
  EXPECT_EQ(info.num_classes, 1000);
  ASSERT_EQ(info.class_names.size(), 1000u);
  EXPECT_THAT(info.class_names[0], ElementsAre("tench", "Tinca tinca"));
  EXPECT_THAT(info.class_names[2], IsEmpty());
  EXPECT_THAT(info.samplers, ElementsAre("ddim", "euler", "heun", "dpmpp_2m"));
  EXPECT_THAT(info.preview_methods, ElementsAre("decoder"));
  ExpectRefused(
      *pipeline,
      {{[](auto& s) { s.prompt = "a cat"; },
        "prompt: this model takes none; it takes a class_label in 0 … 999"},
       {[](auto& s) { s.class_label = 1000; }, "class_label: 1000 is not allowed"},
       {[](auto& s) { s.negative_prompt = "x"; }, "negative_prompt: this model takes none"},
       {[](auto& s) { s.width = 32; }, "width: 32 is not allowed; this model makes 16x16 only"},
       {[](auto& s) { s.true_cfg_scale = 2; }, "true_cfg_scale: this model takes none"},
       {[](auto& s) { s.flow_shift = 2; }, "flow_shift: this model takes none"},
       {[](auto& s) { s.num_inference_steps = 1001; }, "num_inference_steps: 1001 is not allowed"}});
}

// At and below 1 there is one row, the conditional.
TEST(DitFamily, GuidesAboveOneAlone) {
  const auto pipeline = Load("dit");
  ASSERT_NE(pipeline, nullptr);
  GenerationSpec spec = DefaultSpec(pipeline->info());
  spec.class_label = 3;
  for (const auto& [scale, guided] : {std::pair{0.0, false}, {1.0, false}, {1.5, true}, {4.0, true}}) {
    spec.guidance_scale = scale;
    const TokenizedPrompts prompts = pipeline->Tokenize(spec).value();
    EXPECT_TRUE(prompts.conditional.has_value()) << scale;
    EXPECT_EQ(prompts.unconditional.has_value(), guided) << scale;
  }
}

TEST(FluxFamily, SaysWhatItTakes) {
  const auto pipeline = Load("flux_dev");
  ASSERT_NE(pipeline, nullptr);
  const ModelInfo& info = pipeline->info();
  EXPECT_EQ(info.family, "FluxPipeline");
  EXPECT_EQ(info.transformer, "FluxTransformer2DModel");
  EXPECT_FALSE(info.fixed_size);
  EXPECT_EQ(info.default_width, 256);  // 128 of the latent, of an autoencoder that halves once
  EXPECT_EQ(info.size_multiple, 4);
  EXPECT_EQ(info.max_side, 4096);
  EXPECT_EQ(info.default_steps, 28);
  EXPECT_EQ(info.default_guidance_scale, 3.5);
  EXPECT_TRUE(info.takes_prompt && info.takes_negative_prompt && info.takes_guidance && info.takes_true_cfg);
  EXPECT_FALSE(info.takes_class || info.takes_flow_shift);  // the shift follows from the size
  EXPECT_EQ(info.max_prompt_tokens, 512);
  EXPECT_THAT(info.samplers, ElementsAre("euler", "heun", "dpmpp_2m"));
  ExpectRefused(*pipeline, {{[](auto& s) { s.class_label = 1; },
                             "class_label: this model takes none; it takes a prompt"},
                            {[](auto& s) { s.width = 30; },
                             "width: 30 is not allowed; it must be a positive multiple of 4, at most 4096"},
                            {[](auto& s) { s.height = 4100; }, "height: 4100 is not allowed"},
                            {[](auto& s) { s.prompt = "a", s.negative_prompt = "b"; },
                             "negative_prompt: has no effect at a true_cfg_scale of 1"},
                            {[](auto& s) { s.prompt = "a", s.negative_prompt = "b", s.true_cfg_scale = 0.5; },
                             "true_cfg_scale: 0.5 is not allowed; it must be in 1"},
                            {[](auto& s) { s.prompt = "a", s.guidance_rescale = 0.5; },
                             "guidance_rescale: has no effect at a true_cfg_scale of 1"},
                            {[](auto& s) { s.flow_shift = 2; }, "flow_shift: this model takes none"},
                            {[](auto& s) { s.sampler = "ddim"; },
                             "sampler: \"ddim\" is not known; this model has euler, heun, dpmpp_2m"}});
}

TEST(FluxFamily, SchnellIsToldNoGuidanceAndTakesAShift) {
  const auto pipeline = Load("flux_schnell");
  ASSERT_NE(pipeline, nullptr);
  EXPECT_FALSE(pipeline->info().takes_guidance);
  EXPECT_EQ(pipeline->info().default_guidance_scale, 1);
  EXPECT_TRUE(pipeline->info().takes_true_cfg && pipeline->info().takes_flow_shift);
  GenerationSpec spec = DefaultSpec(pipeline->info());
  EXPECT_FALSE(pipeline->Encode(*pipeline->Tokenize(spec))->unconditional->guidance.defined());
}

TEST(FluxFamily, EveryRowIsToldTheGuidance) {
  const auto pipeline = Load("flux_dev");
  ASSERT_NE(pipeline, nullptr);
  GenerationSpec spec = DefaultSpec(pipeline->info());
  spec.prompt = "a";
  spec.negative_prompt = "b";
  spec.true_cfg_scale = 2;
  spec.guidance_scale = 2.5;
  const GuidedConditioning encoded = *pipeline->Encode(*pipeline->Tokenize(spec));
  EXPECT_EQ(encoded.conditional->guidance.item<double>(), 2.5);
  EXPECT_EQ(encoded.unconditional->guidance.item<double>(), 2.5);
  EXPECT_EQ(encoded.guidance.scale, 2);
  spec.guidance_scale = 0;  // another request of the same prompts, which come out of the cache
  EXPECT_EQ(pipeline->Encode(*pipeline->Tokenize(spec))->conditional->guidance.item<double>(), 0);
  EXPECT_TRUE(pipeline->Encode(*pipeline->Tokenize(spec))->cache_hit);
}

TEST(Sd3Family, SaysWhatItTakes) {
  const auto pipeline = Load("sd3");
  ASSERT_NE(pipeline, nullptr);
  const ModelInfo& info = pipeline->info();
  EXPECT_EQ(info.family, "StableDiffusion3Pipeline");
  EXPECT_EQ(info.default_width, 32);
  EXPECT_EQ(info.size_multiple, 8);
  EXPECT_EQ(info.max_side, 96);  // 12 positions of a patch of 2, times 4
  EXPECT_EQ(info.default_steps, 28);
  EXPECT_EQ(info.default_guidance_scale, 7);
  EXPECT_EQ(info.default_flow_shift, 3);
  EXPECT_TRUE(info.takes_prompt && info.takes_negative_prompt && info.takes_guidance &&
              info.takes_flow_shift);
  EXPECT_FALSE(info.takes_class || info.takes_true_cfg);
  EXPECT_EQ(info.max_prompt_tokens, 256);
  ExpectRefused(*pipeline,
                {{[](auto& s) { s.height = 104; },
                  "height: 104 is not allowed; it must be a positive multiple of 8, at most 96"},
                 {[](auto& s) { s.width = 20; }, "width: 20 is not allowed"},
                 {[](auto& s) { s.prompt = "a", s.negative_prompt = "b", s.guidance_scale = 0.5; },
                  "negative_prompt: has no effect at a guidance_scale of 0.5"},
                 {[](auto& s) { s.true_cfg_scale = 2; }, "true_cfg_scale: this model takes none"}});
}

TEST(PixArtFamily, MakesAnySizeOfThoseOfItsTable) {
  const auto pipeline = Load("pixart_sigma");
  ASSERT_NE(pipeline, nullptr);
  const ModelInfo& info = pipeline->info();
  EXPECT_EQ(info.family, "PixArtSigmaPipeline");
  EXPECT_EQ(info.default_width, 256);
  EXPECT_EQ(info.size_multiple, 1);
  EXPECT_EQ(info.max_side, 1024);
  EXPECT_EQ(info.default_steps, 20);
  EXPECT_EQ(info.default_guidance_scale, 4.5);
  EXPECT_EQ(info.max_prompt_tokens, 300);
  EXPECT_THAT(info.samplers, ElementsAre("dpmpp_2m", "euler", "heun"));  // ddim would clamp the latent
  GenerationSpec spec = DefaultSpec(info);
  spec.width = 37;
  spec.height = 21;
  EXPECT_EQ(pipeline->Validate(spec), absl::OkStatus());
  EXPECT_THAT((*pipeline->MakeSampler(spec))->Next().latent.sizes().vec(), ElementsAre(4, 24, 42));
  EXPECT_EQ(Load("pixart_alpha")->info().max_prompt_tokens, 120);
  ExpectRefused(*pipeline, {{[](auto& s) { s.width = 0; }, "width: 0 is not allowed"},
                            {[](auto& s) { s.width = 1025; }, "width: 1025 is not allowed"},
                            {[](auto& s) { s.class_label = 0; }, "class_label: this model takes none"},
                            {[](auto& s) { s.flow_shift = 3; }, "flow_shift: this model takes none"}});
}

struct Fault {
  const char* name;
  const char* model;
  std::function<void(const fs::path&)> make;
  std::string file, what;  // both must be in the message
};

void ExpectFaults(const std::vector<Fault>& faults) {
  const fs::path directory = fs::path(::testing::TempDir()) / "easel_diffusers_faults";
  for (const Fault& fault : faults) {
    fs::remove_all(directory);
    fs::copy(kData + fault.model, directory, fs::copy_options::recursive);
    fault.make(directory);
    const auto pipeline = Pipeline::Load(directory.string(), {});
    ASSERT_FALSE(pipeline.ok()) << fault.name;
    EXPECT_THAT(std::string(pipeline.status().message()),
                AllOf(HasSubstr((directory / fault.file).string()), HasSubstr(fault.what)))
        << fault.name;
  }
  fs::remove_all(directory);
}

auto In(const std::string& file, const std::string& from, const std::string& to) {
  return [=](const fs::path& directory) { Replace(directory / file, from, to); };
}

auto With(const std::string& file, const std::string& entry) {
  return [=](const fs::path& directory) { AddKey(directory / file, entry); };
}

TEST(DitFamily, FaultsNameFileAndKey) {
  ExpectFaults({
      {"another component", "dit", With(kIndex, R"("controlnet": ["diffusers", "ControlNetModel"])"), kIndex,
       "controlnet"},
      {"another network", "dit", In(kIndex, "DiTTransformer2DModel", "UNet2DModel"), kIndex,
       "\"UNet2DModel\" is not served; known: DiTTransformer2DModel, Transformer2DModel"},
      {"no schedule", "dit", In(kIndex, "\"scheduler\"", "\"_scheduler\""), kIndex, "scheduler"},
      {"a flow", "dit",
       [](const fs::path& dir) {
         Replace(dir / kIndex, "DDIMScheduler", "FlowMatchEulerDiscreteScheduler");
         Replace(dir / kScheduler, "DDIMScheduler", "FlowMatchEulerDiscreteScheduler");
       },
       kScheduler, "describes a flow"},
      {"a schedule of another class", "dit", In(kIndex, "DDIMScheduler", "PNDMScheduler"), kScheduler,
       "_class_name"},
      {"an option not served", "dit", In(kScheduler, "\"thresholding\": false", "\"thresholding\": true"),
       kScheduler, "thresholding"},
      {"no autoencoder", "dit", In(kIndex, "\"vae\"", "\"_vae\""), kIndex, "vae"},
      {"another autoencoder", "dit", In(kIndex, "AutoencoderKL", "AutoencoderTiny"), kIndex,
       "\"AutoencoderTiny\" is not served; known: AutoencoderKL"},
      {"another activation", "dit", In(kTransformer, "gelu-approximate", "geglu"), kTransformer,
       "activation_fn"},
      {"a name for no class", "dit", In(kIndex, "\"207\"", "\"1207\""), kIndex, "id2label.1207"},
      {"no weights", "dit",
       [](const fs::path& dir) { fs::remove(dir / "transformer/diffusion_pytorch_model.safetensors"); },
       "transformer", ""},
  });
}

TEST(FluxFamily, FaultsNameFileAndKey) {
  ExpectFaults({
      {"no encoder", "flux_dev", In(kIndex, "\"text_encoder\"", "\"_text_encoder\""), kIndex, "text_encoder"},
      {"an encoder that is null", "flux_dev",
       In(kIndex, "\"transformers\",\n    \"T5EncoderModel\"", "null,\n    null"), kIndex, "text_encoder_2"},
      {"encoders swapped", "flux_dev", In(kIndex, "T5EncoderModel", "CLIPTextModel"), kIndex,
       "known: T5EncoderModel"},
      {"another tokenizer", "flux_dev", In(kIndex, "CLIPTokenizer", "LlamaTokenizer"), kIndex,
       "\"tokenizer\""},
      {"a pooled vector of another width", "flux_dev",
       In("text_encoder/config.json", "\"hidden_size\": 8", "\"hidden_size\": 16"),
       "text_encoder/config.json", "hidden_size\": is 16, but the transformer's pooled_projection_dim is 8"},
      {"text of another width", "flux_dev",
       In("text_encoder_2/config.json", "\"d_model\": 12", "\"d_model\": 24"), "text_encoder_2/config.json",
       "joint_attention_dim is 12"},
      {"a vocabulary larger than the encoder's", "flux_dev",
       In("text_encoder_2/config.json", "\"vocab_size\": 331", "\"vocab_size\": 100"),
       "text_encoder_2/config.json", "vocab_size"},
      {"an encoder for pictures", "flux_dev",
       With(kIndex, R"("image_encoder": ["transformers", "CLIPVisionModel"])"), kIndex, "image_encoder"},
      {"a network for filling in", "flux_dev",
       In(kTransformer, "\"out_channels\": null", "\"out_channels\": 4"), kTransformer, "out_channels"},
      {"latents of another count", "flux_dev", In(kTransformer, "\"in_channels\": 16", "\"in_channels\": 32"),
       "transformer", "x_embedder"},
      {"betas", "flux_dev",
       [](const fs::path& dir) {
         Replace(dir / kIndex, "FlowMatchEulerDiscreteScheduler", "DDIMScheduler");
         Replace(dir / kScheduler, "FlowMatchEulerDiscreteScheduler", "DDIMScheduler");
       },
       kScheduler, "describes no flow"},
  });
}

TEST(Sd3Family, FaultsNameFileAndKey) {
  ExpectFaults({
      {"T5 without a tokenizer", "sd3", In(kIndex, "\"tokenizer_3\"", "\"_tokenizer_3\""), kIndex,
       "tokenizer_3"},
      {"a tokenizer without T5", "sd3", In(kIndex, "\"text_encoder_3\"", "\"_text_encoder_3\""), kIndex,
       "text_encoder_3"},
      {"no CLIP-G", "sd3", In(kIndex, "\"text_encoder_2\"", "\"_text_encoder_2\""), kIndex, "text_encoder_2"},
      {"CLIP without a projection", "sd3", In(kIndex, "CLIPTextModelWithProjection", "CLIPTextModel"), kIndex,
       "known: CLIPTextModelWithProjection"},
      {"pooled vectors of another width", "sd3",
       In(kTransformer, "\"pooled_projection_dim\": 18", "\"pooled_projection_dim\": 20"),
       "text_encoder_2/config.json", "pooled_projection_dim is 20"},
      {"text of another width", "sd3", In("text_encoder_3/config.json", "\"d_model\": 24", "\"d_model\": 32"),
       "text_encoder_3/config.json", "joint_attention_dim is 24"},
      {"too few positions", "sd3", In(kTransformer, "\"sample_size\": 8", "\"sample_size\": 32"),
       kTransformer, "sample_size"},
  });
}

TEST(PixArtFamily, FaultsNameFileAndKey) {
  ExpectFaults({
      {"no tokenizer", "pixart_sigma", In(kIndex, "\"tokenizer\"", "\"_tokenizer\""), kIndex, "tokenizer"},
      {"text of another width", "pixart_sigma",
       In(kTransformer, "\"caption_channels\": 12", "\"caption_channels\": 16"), "text_encoder/config.json",
       "caption_channels is 16"},
      {"another norm", "pixart_sigma", In(kTransformer, "ada_norm_single", "ada_norm_zero"), kTransformer,
       "norm_type"},
      {"patches that fit no table", "pixart_sigma",
       In(kTransformer, "\"patch_size\": 2", "\"patch_size\": 4"), "transformer", ""},
  });
}

}  // namespace
}  // namespace easel

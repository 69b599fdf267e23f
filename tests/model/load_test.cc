// Model directories: what is read out of good ones, and which file and key is named of broken ones.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "absl/strings/str_replace.h"
#include "model/io/safetensors.h"
#include "model/pipeline.h"
#include "tests/testing/tiny_pipeline.h"

namespace easel {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ReadText(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteText(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

void Replace(const fs::path& path, const std::string& from, const std::string& to) {
  const std::string text = ReadText(path);
  ASSERT_THAT(text, HasSubstr(from)) << path;
  WriteText(path, absl::StrReplaceAll(text, {{from, to}}));
}

// Adds a key to a JSON object's file.
void AddKey(const fs::path& path, const std::string& entry) {
  std::string text = ReadText(path);
  text.insert(text.find('{') + 1, "\n  " + entry + ",");
  WriteText(path, text);
}

class LoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);  // networks so small gain nothing from more
    directory_ =
        fs::path(::testing::TempDir()) /
        (std::string("easel_load_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path Fresh(TinyModel model) {
    fs::remove_all(directory_);
    absl::Status status = WriteTinyModel(directory_.string(), model);
    EXPECT_TRUE(status.ok()) << status;
    return directory_;
  }
  absl::StatusOr<std::unique_ptr<Pipeline>> Load() { return Pipeline::Load(directory_.string(), {}); }

  fs::path directory_;
};

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

TEST_F(LoadTest, EaselModelTakesPromptsClassesAndNeither) {
  Fresh(TinyModel::kEasel);
  auto pipeline = Load();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const ModelInfo& info = (*pipeline)->info();
  EXPECT_EQ(info.family, "EaselPipeline");
  EXPECT_EQ(info.transformer, "EaselDiT");
  EXPECT_EQ(info.default_width, 16);
  EXPECT_EQ(info.default_height, 16);
  EXPECT_TRUE(info.fixed_size);
  EXPECT_EQ(info.default_steps, 4);
  EXPECT_EQ(info.default_guidance_scale, 7.5);
  EXPECT_TRUE(info.takes_prompt && info.takes_class && info.takes_negative_prompt && info.takes_guidance);
  EXPECT_TRUE(info.takes_unconditional);
  EXPECT_EQ(info.max_prompt_tokens, 16);
  EXPECT_EQ(info.num_classes, 5);
  ASSERT_EQ(info.class_names.size(), 5u);
  EXPECT_THAT(info.class_names[3], ElementsAre("class 3", "c3"));
  EXPECT_THAT(info.preview_methods, ElementsAre("linear", "decoder"));
  EXPECT_EQ(info.latent_channels, 4);
  EXPECT_EQ(info.latent_downscale, 2);

  GenerationSpec spec = DefaultSpec(info);
  absl::StatusOr<Image> unconditional = (*pipeline)->Generate(spec);
  ASSERT_TRUE(unconditional.ok()) << unconditional.status();
  spec.class_label = 4;
  absl::StatusOr<Image> of_class = (*pipeline)->Generate(spec);
  ASSERT_TRUE(of_class.ok()) << of_class.status();
  spec.class_label.reset();
  spec.prompt = "red";
  absl::StatusOr<Image> of_prompt = (*pipeline)->Generate(spec);
  ASSERT_TRUE(of_prompt.ok()) << of_prompt.status();
  EXPECT_EQ(of_prompt->width, 16);
  EXPECT_NE(unconditional->rgb, of_class->rgb);
  EXPECT_NE(unconditional->rgb, of_prompt->rgb);
  EXPECT_NE(of_class->rgb, of_prompt->rgb);
}

TEST_F(LoadTest, ClassModelTakesNoPrompt) {
  Fresh(TinyModel::kClasses);
  auto pipeline = Load();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const ModelInfo& info = (*pipeline)->info();
  EXPECT_EQ(info.default_guidance_scale, 3);
  EXPECT_FALSE(info.takes_prompt || info.takes_negative_prompt);
  EXPECT_THAT(info.class_names, IsEmpty());
  GenerationSpec spec = DefaultSpec(info);
  spec.prompt = "red";
  EXPECT_EQ((*pipeline)->Validate(spec).message(),
            "prompt: this model takes none; it takes a class_label in 0 … 4");
}

TEST_F(LoadTest, TextModelTakesNoClass) {
  Fresh(TinyModel::kText);
  auto pipeline = Load();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  GenerationSpec spec = DefaultSpec((*pipeline)->info());
  spec.class_label = 0;
  EXPECT_EQ((*pipeline)->Validate(spec).message(), "class_label: this model takes none; it takes a prompt");
}

TEST_F(LoadTest, PixelModelIsUnconditionalAndGrey) {
  Fresh(TinyModel::kPixels);
  auto pipeline = Load();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const ModelInfo& info = (*pipeline)->info();
  EXPECT_EQ(info.default_guidance_scale, 1);
  EXPECT_FALSE(info.takes_guidance);
  EXPECT_EQ(info.latent_downscale, 1);
  auto image = (*pipeline)->Generate(DefaultSpec(info));
  ASSERT_TRUE(image.ok()) << image.status();
  for (size_t i = 0; i < image->rgb.size(); i += 3) {
    EXPECT_EQ(image->rgb[i], image->rgb[i + 1]);
    EXPECT_EQ(image->rgb[i], image->rgb[i + 2]);
  }
}

TEST_F(LoadTest, PreviewsAreLatentPixelsOrDecodedOnes) {
  Fresh(TinyModel::kClasses);
  auto pipeline = Load();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  at::Tensor latent = at::randn({4, 8, 8}, at::detail::createCPUGenerator(1));
  const GenerationSpec spec = DefaultSpec((*pipeline)->info());
  EXPECT_EQ((*pipeline)->Preview(latent, spec, "linear")->width, 8);
  EXPECT_EQ((*pipeline)->Preview(latent, spec, "decoder")->rgb, (*pipeline)->Decode(latent, spec)->rgb);
}

TEST_F(LoadTest, WeightBytesAreThoseServed) {
  Fresh(TinyModel::kPixels);
  auto file =
      SafetensorsFile::Open((directory_ / "transformer/diffusion_pytorch_model.safetensors").string());
  int64_t elements = 0;
  for (const std::string& name : (*file)->names()) elements += (*file)->Get(name).numel();
  EXPECT_EQ((*Load())->info().weight_bytes, 4 * elements);
  auto half = Pipeline::Load(directory_.string(), {.dtype = at::kBFloat16});
  EXPECT_EQ((*half)->info().weight_bytes, 2 * elements);
}

TEST_F(LoadTest, EveryModelGeneratesInBfloat16NearFloat32) {
  for (TinyModel model : {TinyModel::kClasses, TinyModel::kText, TinyModel::kEasel, TinyModel::kPixels}) {
    Fresh(model);
    auto full = Load(), half = Pipeline::Load(directory_.string(), {.dtype = at::kBFloat16});
    ASSERT_TRUE(half.ok()) << half.status();
    GenerationSpec spec = DefaultSpec((*full)->info());
    auto a = (*full)->Generate(spec), b = (*half)->Generate(spec);
    ASSERT_TRUE(b.ok()) << b.status();
    double sum = 0;
    for (size_t i = 0; i < a->rgb.size(); ++i) sum += std::abs(a->rgb[i] - b->rgb[i]);
    EXPECT_LT(sum / a->rgb.size(), 8) << "model " << static_cast<int>(model);  // levels, on average
  }
}

TEST_F(LoadTest, ReadsScheduleAndDefaults) {
  fs::path dir = Fresh(TinyModel::kClasses);
  AddKey(dir / "model_index.json", R"("scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"])");
  AddKey(dir / "model_index.json", R"("default_guidance_scale": 2.5)");
  WriteText(dir / "scheduler/scheduler_config.json",
            R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})");
  auto pipeline = Load();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ((*pipeline)->info().default_flow_shift, 3);
  EXPECT_EQ((*pipeline)->info().default_guidance_scale, 2.5);
}

// Reads a checkpoint, changes its tensors, writes it again.
void EditTensors(const fs::path& path, const std::function<void(NamedTensors&)>& edit) {
  NamedTensors tensors;
  {
    auto file = SafetensorsFile::Open(path.string());
    ASSERT_TRUE(file.ok()) << file.status();
    for (const std::string& name : (*file)->names()) tensors.emplace_back(name, (*file)->Get(name).clone());
  }
  edit(tensors);
  ASSERT_TRUE(WriteSafetensors(path.string(), tensors).ok());
}

struct Fault {
  const char* name;
  TinyModel model;
  std::function<void(const fs::path&)> make;
  std::string file, what;  // both must be in the message
};

TEST_F(LoadTest, FaultsNameFileAndKey) {
  const std::string kWeights = "diffusion_pytorch_model.safetensors", kIndex = "model_index.json";
  const std::string kScheduler = R"("scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"])";
  auto with_scheduler = [&](const std::string& config) {
    return [=](const fs::path& dir) {
      AddKey(dir / "model_index.json", kScheduler);
      WriteText(dir / "scheduler/scheduler_config.json", config);
    };
  };
  auto add = [&](const std::string& entry) {
    return [=](const fs::path& dir) { AddKey(dir / "model_index.json", entry); };
  };
  auto replace = [](const std::string& file, const std::string& from, const std::string& to) {
    return [=](const fs::path& dir) { Replace(dir / file, from, to); };
  };
  using M = TinyModel;
  const Fault faults[] = {
      {"no directory", M::kPixels, [](auto& dir) { fs::remove_all(dir); }, kIndex, ""},
      {"index is no JSON", M::kPixels, [](auto& dir) { WriteText(dir / "model_index.json", "{"); }, kIndex,
       ""},
      {"unknown pipeline", M::kPixels, replace(kIndex, "EaselPipeline", "FluxPipeline"), kIndex,
       "\"FluxPipeline\" is not served; known: EaselPipeline"},
      {"no class", M::kPixels, replace(kIndex, "\"_class_name\"", "\"_class\""), kIndex, "_class_name"},
      {"unknown transformer", M::kPixels, replace(kIndex, "\"DiT\"", "\"UNet2DModel\""), kIndex,
       "\"UNet2DModel\" is not served; known: DiT, ConditionalDiT, TextConditionalDiT, EaselDiT"},
      {"no transformer", M::kPixels, replace(kIndex, "\"transformer\"", "\"_transformer\""), kIndex,
       "transformer"},
      {"unknown component", M::kPixels, add(R"("safety_checker": ["a", "b"])"), kIndex, "safety_checker"},
      {"component is no pair", M::kPixels, add(R"("vae": ["diffusers"])"), kIndex, "vae"},
      {"classes disagree", M::kPixels, replace("transformer/config.json", "\"DiT\"", "\"ConditionalDiT\""),
       "transformer/config.json", "_class_name"},
      {"no config", M::kPixels, [](auto& dir) { fs::remove(dir / "transformer/config.json"); },
       "transformer/config.json", ""},
      {"config of another type", M::kPixels,
       replace("transformer/config.json", "\"depth\": 2", "\"depth\": \"2\""), "transformer/config.json",
       "depth"},
      {"no weights", M::kPixels, [&](auto& dir) { fs::remove(dir / "transformer" / kWeights); },
       "/transformer", ""},
      {"truncated weights", M::kPixels,
       [&](auto& dir) {
         const fs::path path = dir / "transformer" / kWeights;
         fs::resize_file(path, fs::file_size(path) - 10);
       },
       "transformer/" + kWeights, ""},
      {"missing tensor", M::kPixels,
       [&](auto& dir) {
         EditTensors(dir / "transformer" / kWeights, [](NamedTensors& tensors) {
           std::erase_if(tensors, [](const auto& tensor) { return tensor.first == "final_proj.bias"; });
         });
       },
       "/transformer", "final_proj.bias"},
      {"extra tensor", M::kClasses,
       [&](auto& dir) {
         EditTensors(dir / "vae" / kWeights,
                     [](NamedTensors& tensors) { tensors.emplace_back("decoder.surprise", at::zeros({1})); });
       },
       "/vae", "decoder.surprise"},
      {"misshapen tensor", M::kPixels,
       [&](auto& dir) {
         EditTensors(dir / "transformer" / kWeights, [](NamedTensors& tensors) {
           for (auto& [name, tensor] : tensors) {
             if (name == "final_proj.bias") tensor = at::zeros({7});
           }
         });
       },
       "/transformer", "final_proj.bias"},
      {"no vae for latents", M::kClasses, replace(kIndex, "\"vae\"", "\"_vae\""), kIndex, "vae"},
      {"unknown vae", M::kClasses, replace(kIndex, "AutoencoderKL", "AutoencoderDC"), kIndex,
       "\"AutoencoderDC\" is not served; known: AutoencoderKL, VAE, SmallVAE"},
      {"vae of other channels", M::kClasses,
       [&](auto& dir) {
         fs::remove_all(dir / "vae");
         ASSERT_TRUE(WriteTinyModel((dir / "other").string(), M::kClasses).ok());
         fs::rename(dir / "other/vae", dir / "vae");
         Replace(dir / "transformer/config.json", "\"in_channels\": 4", "\"in_channels\": 8");
         fs::remove_all(dir / "other");
       },
       "/transformer", "patch_embed"},
      {"tokenizer alone", M::kText, replace(kIndex, "\"text_encoder\"", "\"_text_encoder\""), kIndex,
       "text_encoder"},
      {"text encoder alone", M::kText, replace(kIndex, "\"tokenizer\"", "\"_tokenizer\""), kIndex,
       "tokenizer"},
      {"no text where it is read", M::kText,
       [&](auto& dir) {
         Replace(dir / kIndex, "\"text_encoder\"", "\"_text_encoder\"");
         Replace(dir / kIndex, "\"tokenizer\"", "\"_tokenizer\"");
       },
       kIndex, "text_encoder"},
      {"text where none is read", M::kClasses,
       [&](auto& dir) {
         AddKey(dir / kIndex, R"("text_encoder": ["transformers", "CLIPTextModel"])");
         AddKey(dir / kIndex, R"("tokenizer": ["transformers", "CLIPTokenizer"])");
       },
       kIndex, "text_encoder"},
      {"text of another width", M::kText,
       replace("text_encoder/config.json", "\"hidden_size\": 32", "\"hidden_size\": 64"),
       "text_encoder/config.json", "context_dim"},
      {"prompts longer than the encoder", M::kText,
       replace("tokenizer/tokenizer_config.json", "\"model_max_length\": 16", "\"model_max_length\": 77"),
       "text_encoder/config.json", "max_position_embeddings"},
      {"vocabulary larger than the encoder's", M::kText,
       [&](auto& dir) { AddKey(dir / "tokenizer/vocab.json", "\"new\": 700"); }, "text_encoder/config.json",
       "vocab_size"},
      {"mask without a network for it", M::kEasel, add(R"("text_encoder_attention_mask": false)"), kIndex,
       "text_encoder_attention_mask"},
      {"unknown encoder", M::kText, replace(kIndex, "CLIPTextModel", "T5EncoderModel"), kIndex,
       "text_encoder"},
      {"unknown scheduler", M::kClasses, add(R"("scheduler": ["diffusers", "DDIMScheduler"])"), "scheduler",
       ""},
      {"scheduler of another class", M::kClasses, with_scheduler(R"({"_class_name": "DDIMScheduler"})"),
       "scheduler/scheduler_config.json", "_class_name"},
      {"dynamic shifting", M::kClasses, with_scheduler(R"({"use_dynamic_shifting": true})"),
       "scheduler/scheduler_config.json", "use_dynamic_shifting"},
      {"shift of nothing", M::kClasses, with_scheduler(R"({"shift": 0})"), "scheduler/scheduler_config.json",
       "shift"},
      {"unknown prediction", M::kClasses, with_scheduler(R"({"prediction_type": "sample"})"),
       "scheduler/scheduler_config.json", "known: flow_prediction, velocity, epsilon"},
      {"labels too few", M::kClasses, add(R"("id2label": {"0": "cat"})"), kIndex, "id2label"},
      {"labels too many", M::kPixels, add(R"("id2label": {"0": "cat"})"), kIndex, "id2label"},
      {"steps of nothing", M::kPixels,
       replace(kIndex, "\"default_num_inference_steps\": 4", "\"default_num_inference_steps\": 0"), kIndex,
       "default_num_inference_steps"},
      {"guidance without measure", M::kPixels, add(R"("default_guidance_scale": 1000)"), kIndex,
       "default_guidance_scale"},
  };
  for (const Fault& fault : faults) {
    fault.make(Fresh(fault.model));
    auto pipeline = Load();
    ASSERT_FALSE(pipeline.ok()) << fault.name;
    EXPECT_THAT(std::string(pipeline.status().message()),
                AllOf(HasSubstr(directory_.string()), HasSubstr(fault.file), HasSubstr(fault.what)))
        << fault.name;
  }
}

}  // namespace
}  // namespace easel

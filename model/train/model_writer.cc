#include "model/train/model_writer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "model/autoencoder/latent_preview.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

absl::Status WriteComponent(const std::string& directory, const std::string& file, const JsonWriter& config,
                            const NamedTensors& tensors) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::UnavailableError(directory + ": " + error.message());
  EASEL_RETURN_IF_ERROR(WriteTextFile(directory + "/config.json", config.Text()));
  NamedTensors halves;
  for (const auto& [name, t] : tensors) halves.emplace_back(name, t.detach().cpu().to(at::kHalf).contiguous());
  return WriteSafetensors(directory + "/" + file, halves);
}

std::vector<double> Doubles(const at::Tensor& t) {
  at::Tensor d = t.to(at::kDouble).contiguous();
  return {d.data_ptr<double>(), d.data_ptr<double>() + d.numel()};
}

}  // namespace

absl::Status CopyTensors(const NamedTensors& from, const NamedTensors& to) {
  c10::NoGradGuard no_grad;
  for (size_t i = 0; i < to.size(); ++i) {
    if (i >= from.size() || from[i].first != to[i].first) return absl::InternalError("tensors differ at " + to[i].first);
    to[i].second.copy_(from[i].second);
  }
  return absl::OkStatus();
}

absl::Status WriteAutoencoder(const std::string& directory, const AutoencoderKLParams& p, const NamedTensors& tensors,
                              const AutoencoderKL& autoencoder, const at::Tensor& pixels) {
  std::vector<at::Tensor> latents;
  for (const at::Tensor& part : pixels.split(64)) latents.push_back(autoencoder.Encode(part));
  LatentPreview preview = LatentPreview::Fit(at::cat(latents), pixels);
  std::vector<std::vector<double>> factors;
  for (int64_t c = 0; c < preview.factors().size(0); ++c) factors.push_back(Doubles(preview.factors()[c]));

  JsonWriter config;
  config.Set("_class_name", "AutoencoderKL");
  config.Set("in_channels", p.in_channels);
  config.Set("out_channels", p.out_channels);
  config.Set("down_block_types", std::vector<std::string>(p.block_out_channels.size(), "DownEncoderBlock2D"));
  config.Set("up_block_types", std::vector<std::string>(p.block_out_channels.size(), "UpDecoderBlock2D"));
  config.Set("block_out_channels", p.block_out_channels);
  config.Set("layers_per_block", p.layers_per_block);
  config.Set("act_fn", "silu");
  config.Set("latent_channels", p.latent_channels);
  config.Set("norm_num_groups", p.norm_num_groups);
  config.Set("sample_size", pixels.size(2));
  config.Set("scaling_factor", p.scaling_factor);
  config.Set("use_quant_conv", p.use_quant_conv);
  config.Set("use_post_quant_conv", p.use_post_quant_conv);
  config.Set("mid_block_add_attention", p.mid_block_add_attention);
  config.Set("latent_rgb_factors", factors);
  config.Set("latent_rgb_bias", Doubles(preview.bias()));
  return WriteComponent(directory, "diffusion_pytorch_model.safetensors", config, tensors);
}

absl::Status WriteDenoiser(const std::string& directory, const DenoiserFiles& files) {
  const EaselDiTParams& t = files.transformer;
  JsonWriter transformer;
  transformer.Set("_class_name", "EaselDiT");
  transformer.Set("img_size", t.img_size);
  transformer.Set("patch_size", t.patch_size);
  transformer.Set("in_channels", t.in_channels);
  transformer.Set("embed_dim", t.embed_dim);
  transformer.Set("depth", t.depth);
  transformer.Set("num_heads", t.num_heads);
  transformer.Set("mlp_ratio", t.mlp_ratio);
  transformer.Set("num_classes", t.num_classes);
  transformer.Set("context_dim", t.context_dim);
  transformer.Set("layout_hidden", t.layout_hidden);
  transformer.Set("layout_dim", t.layout_dim);
  transformer.Set("recall_size", t.recall_size);
  transformer.Set("recall_dim", t.recall_dim);
  EASEL_RETURN_IF_ERROR(WriteComponent(directory + "/transformer", "diffusion_pytorch_model.safetensors", transformer,
                                       files.transformer_tensors));

  const ClipTextParams& e = files.text_encoder;
  JsonWriter encoder;
  encoder.Set("architectures", std::vector<std::string>{"CLIPTextModel"});
  encoder.Set("model_type", "clip_text_model");
  encoder.Set("vocab_size", e.vocab_size);
  encoder.Set("hidden_size", e.hidden_size);
  encoder.Set("intermediate_size", e.intermediate_size);
  encoder.Set("num_hidden_layers", e.num_hidden_layers);
  encoder.Set("num_attention_heads", e.num_attention_heads);
  encoder.Set("max_position_embeddings", e.max_position_embeddings);
  encoder.Set("hidden_act", "gelu");
  encoder.Set("layer_norm_eps", e.layer_norm_eps);
  encoder.Set("eos_token_id", e.eos_token_id);
  encoder.Set("bos_token_id", e.eos_token_id - 1);
  encoder.Set("pad_token_id", e.eos_token_id);
  encoder.Set("projection_dim", e.hidden_size);
  EASEL_RETURN_IF_ERROR(WriteComponent(directory + "/text_encoder", "model.safetensors", encoder, files.text_encoder_tensors));

  std::filesystem::create_directories(directory + "/scheduler");
  JsonWriter flow;
  flow.Set("_class_name", "FlowMatchEulerDiscreteScheduler");
  flow.Set("num_train_timesteps", int64_t{1000});
  flow.Set("shift", 1.0);
  EASEL_RETURN_IF_ERROR(WriteTextFile(directory + "/scheduler/scheduler_config.json", flow.Text()));

  JsonWriter labels;
  for (size_t i = 0; i < files.class_names.size(); ++i) labels.Set(absl::StrCat(i), files.class_names[i]);
  JsonWriter index;
  index.Set("_class_name", "EaselPipeline");
  index.Set("transformer", std::vector<std::string>{"easel", "EaselDiT"});
  index.Set("text_encoder", std::vector<std::string>{"transformers", "CLIPTextModel"});
  index.Set("tokenizer", std::vector<std::string>{"transformers", "CLIPTokenizer"});
  index.Set("vae", std::vector<std::string>{"diffusers", "AutoencoderKL"});
  index.Set("scheduler", std::vector<std::string>{"diffusers", "FlowMatchEulerDiscreteScheduler"});
  index.Set("default_num_inference_steps", int64_t{files.default_steps});
  index.Set("default_guidance_scale", files.default_guidance_scale);
  index.Set("id2label", labels);
  return WriteTextFile(directory + "/model_index.json", index.Text());
}

}  // namespace easel

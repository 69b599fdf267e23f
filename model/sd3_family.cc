#include "model/sd3_family.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/sd3_conditioner.h"
#include "model/io/status_macros.h"
#include "model/shared_components.h"
#include "model/transformers/mmdit.h"

namespace easel {
namespace {

// T5 and its tokenizer; nothing where the directory has neither.
absl::StatusOr<std::optional<PromptEncoder>> LoadOptionalT5(Components& components, JsonObject& index,
                                                            const MMDiTParams& params) {
  const bool encoder = !Components::ClassOf(index, "text_encoder_3").empty();
  const bool tokenizer = !Components::ClassOf(index, "tokenizer_3").empty();
  EASEL_RETURN_IF_ERROR(index.status());
  if (!encoder && !tokenizer) return std::nullopt;
  TextPart t5;
  EASEL_RETURN_IF_ERROR(LoadT5(
      components, index, "_3", kSd3T5Tokens,
      [&params](const T5TextParams& t5_params, JsonObject& config) {
        CheckWidth(config, "d_model", t5_params.d_model, "joint_attention_dim", params.joint_attention_dim);
      },
      t5));
  EASEL_ASSIGN_OR_RETURN(PromptEncoder prompts,
                         PromptEncoder::Create(std::move(t5.tokenizer), std::move(t5.encoder)));
  return std::optional<PromptEncoder>(std::move(prompts));
}

absl::StatusOr<std::unique_ptr<Conditioner>> LoadConditioner(Components& components, JsonObject& index,
                                                             const MMDiTParams& params) {
  int64_t hidden = 0, pooled = 0;  // of both CLIPs together
  auto add = [&](const ClipTextParams& clip, JsonObject&) {
    hidden += clip.hidden_size;
    pooled += clip.projection_dim;
  };
  auto add_and_check = [&](const ClipTextParams& clip, JsonObject& config) {
    add(clip, config);
    if (pooled != params.pooled_projection_dim) {
      config.Fail("projection_dim",
                  absl::StrCat("is ", clip.projection_dim, ", which makes ", pooled,
                               " with that of text_encoder, but the transformer's pooled_projection_dim is ",
                               params.pooled_projection_dim));
    } else if (hidden > params.joint_attention_dim) {
      config.Fail("hidden_size",
                  absl::StrCat("is ", clip.hidden_size, ", which makes ", hidden,
                               " with that of text_encoder, but the transformer's joint_attention_dim is ",
                               params.joint_attention_dim));
    }
  };
  TextPart clip_l, clip_g;
  EASEL_RETURN_IF_ERROR(LoadClip(components, index, "", TextProjection::kYes, add, clip_l));
  EASEL_RETURN_IF_ERROR(LoadClip(components, index, "_2", TextProjection::kYes, add_and_check, clip_g));
  EASEL_ASSIGN_OR_RETURN(std::optional<PromptEncoder> t5, LoadOptionalT5(components, index, params));
  EASEL_ASSIGN_OR_RETURN(PromptEncoder l,
                         PromptEncoder::Create(std::move(clip_l.tokenizer), std::move(clip_l.encoder)));
  EASEL_ASSIGN_OR_RETURN(PromptEncoder g,
                         PromptEncoder::Create(std::move(clip_g.tokenizer), std::move(clip_g.encoder)));
  absl::StatusOr<std::unique_ptr<Conditioner>> conditioner =
      MakeSd3Conditioner(std::move(l), std::move(g), std::move(t5), params.joint_attention_dim);
  if (!conditioner.ok()) index.Fail("text_encoder", std::string(conditioner.status().message()));
  EASEL_RETURN_IF_ERROR(index.status());
  return conditioner;
}

}  // namespace

absl::StatusOr<PipelineParts> LoadSd3Family(Components& components, JsonObject& index) {
  EASEL_RETURN_IF_ERROR(
      CheckComponents(index, {"transformer", "vae", "scheduler", "text_encoder", "tokenizer",
                              "text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3"}));
  PipelineParts parts;
  ModelInfo& info = parts.info;
  EASEL_ASSIGN_OR_RETURN(info.transformer, ReadClass(index, "transformer", {"SD3Transformer2DModel"}));
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig("transformer", info.transformer));
  EASEL_ASSIGN_OR_RETURN(const MMDiTParams params, MMDiTParams::FromConfig(config));
  if (params.sample_size > params.patch_size * params.pos_embed_max_size) {
    config.Fail("sample_size", "is more than patch_size · pos_embed_max_size");
    return config.status();
  }
  EASEL_RETURN_IF_ERROR(
      LoadSchedule(components, index, NoisePath::kFlow, {.patch_size = params.patch_size}, parts));
  EASEL_ASSIGN_OR_RETURN(parts.conditioner, LoadConditioner(components, index, params));
  EASEL_RETURN_IF_ERROR(components.Build("transformer", [&](const Weights& weights) {
    parts.transformer = std::make_unique<MMDiT>(params, weights);
  }));
  EASEL_RETURN_IF_ERROR(LoadAutoencoderKl(components, index, params.in_channels, ShiftFactor::kRead, parts));
  parts.guidance_rule = GuidanceRule::kAboveOne;

  DescribeConditioner(parts);
  DescribeSizes(params.sample_size, params.patch_size, params.patch_size * params.pos_embed_max_size, info);
  info.default_steps = 28;
  info.default_guidance_scale = 7;
  info.weight_bytes = components.weight_bytes();
  return parts;
}

}  // namespace easel

#include "model/flux_family.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/flux_conditioner.h"
#include "model/io/status_macros.h"
#include "model/shared_components.h"
#include "model/transformers/flux.h"

namespace easel {
namespace {

constexpr FlowConvention kConvention = {.levels_end_at_one_nth = true, .time_divisor = 1000, .patch_size = 2};
constexpr int64_t kSampleSize = 128;  // of the latents that the pipeline makes unasked

absl::StatusOr<std::unique_ptr<Conditioner>> LoadConditioner(Components& components, JsonObject& index,
                                                             const FluxParams& params) {
  TextPart clip, t5;
  EASEL_RETURN_IF_ERROR(LoadClip(
      components, index, "", TextProjection::kNo,
      [&params](const ClipTextParams& encoder, JsonObject& config) {
        CheckWidth(config, "hidden_size", encoder.hidden_size, "pooled_projection_dim",
                   params.pooled_projection_dim);
      },
      clip));
  EASEL_RETURN_IF_ERROR(LoadT5(
      components, index, "_2", kFluxT5Tokens,
      [&params](const T5TextParams& encoder, JsonObject& config) {
        CheckWidth(config, "d_model", encoder.d_model, "joint_attention_dim", params.joint_attention_dim);
      },
      t5));
  EASEL_ASSIGN_OR_RETURN(PromptEncoder clip_encoder,
                         PromptEncoder::Create(std::move(clip.tokenizer), std::move(clip.encoder)));
  EASEL_ASSIGN_OR_RETURN(PromptEncoder t5_encoder,
                         PromptEncoder::Create(std::move(t5.tokenizer), std::move(t5.encoder)));
  return MakeFluxConditioner(std::move(clip_encoder), std::move(t5_encoder));
}

}  // namespace

absl::StatusOr<PipelineParts> LoadFluxFamily(Components& components, JsonObject& index) {
  EASEL_RETURN_IF_ERROR(CheckComponents(index, {"transformer", "vae", "scheduler", "text_encoder",
                                                "tokenizer", "text_encoder_2", "tokenizer_2"}));
  PipelineParts parts;
  ModelInfo& info = parts.info;
  EASEL_ASSIGN_OR_RETURN(info.transformer, ReadClass(index, "transformer", {"FluxTransformer2DModel"}));
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig("transformer", info.transformer));
  EASEL_ASSIGN_OR_RETURN(const FluxParams params, FluxParams::FromConfig(config));
  EASEL_RETURN_IF_ERROR(LoadSchedule(components, index, NoisePath::kFlow, kConvention, parts));
  EASEL_ASSIGN_OR_RETURN(parts.conditioner, LoadConditioner(components, index, params));
  EASEL_RETURN_IF_ERROR(components.Build("transformer", [&](const Weights& weights) {
    parts.transformer = std::make_unique<Flux>(params, weights);
  }));
  EASEL_RETURN_IF_ERROR(
      LoadAutoencoderKl(components, index, params.in_channels / 4, ShiftFactor::kRead, parts));
  parts.guidance_rule = GuidanceRule::kTrueCfg;

  DescribeConditioner(parts);
  DescribeSizes(kSampleSize, /*multiple=*/2, /*most=*/Flux::kMaxSide, info);
  info.takes_guidance = params.guidance_embeds;
  info.takes_true_cfg = true;
  info.default_steps = 28;
  info.default_guidance_scale = params.guidance_embeds ? 3.5 : 1;
  info.weight_bytes = components.weight_bytes();
  return parts;
}

}  // namespace easel

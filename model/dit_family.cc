#include "model/dit_family.h"

#include "model/io/status_macros.h"
#include "model/shared_components.h"
#include "model/transformers/dit.h"

namespace easel {

absl::StatusOr<PipelineParts> LoadDitFamily(Components& components, JsonObject& index) {
  EASEL_RETURN_IF_ERROR(CheckComponents(index, {"transformer", "vae", "scheduler"}));
  PipelineParts parts;
  ModelInfo& info = parts.info;
  EASEL_ASSIGN_OR_RETURN(info.transformer,
                         ReadClass(index, "transformer", {"DiTTransformer2DModel", "Transformer2DModel"}));
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig("transformer", info.transformer));
  EASEL_ASSIGN_OR_RETURN(const DiTParams params, DiTParams::FromConfig(config));
  EASEL_RETURN_IF_ERROR(LoadSchedule(components, index, {}, parts));
  EASEL_RETURN_IF_ERROR(components.Build("transformer", [&](const Weights& weights) {
    parts.transformer = std::make_unique<DiT>(params, weights);
  }));
  EASEL_RETURN_IF_ERROR(
      LoadAutoencoderKl(components, index, params.in_channels, ShiftFactor::kUnread, parts));
  parts.conditioner = MakeClassConditioner(params.num_embeds_ada_norm, components.device());
  parts.guidance_rule = GuidanceRule::kAboveOne;

  DescribeConditioner(parts);
  EASEL_RETURN_IF_ERROR(ReadClassNames(index, info));
  DescribeSizes(params.sample_size, params.sample_size, parts);
  info.fixed_size = true;
  info.default_steps = 50;
  info.default_guidance_scale = 4;
  info.weight_bytes = components.weight_bytes();
  return parts;
}

}  // namespace easel

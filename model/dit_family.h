// DiTPipeline of diffusers: DiT-XL/2 and its kin.
//
//   model_index.json   transformer, vae, scheduler; id2label (names of classes, "name, other name")
//   transformer/       DiTTransformer2DModel, or Transformer2DModel as published
//   vae/               AutoencoderKL
//   scheduler/         any class that schedule_config.h knows for betas
//
// Makes the one size that the network was trained for, as that pipeline does.
#pragma once

#include "absl/status/statusor.h"
#include "model/components.h"
#include "model/pipeline.h"

namespace easel {

absl::StatusOr<PipelineParts> LoadDitFamily(Components& components, JsonObject& index);

}  // namespace easel

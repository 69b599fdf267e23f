// FluxPipeline of diffusers: FLUX.1-dev and -schnell.
//
//   model_index.json                   the components below
//   transformer/                       FluxTransformer2DModel
//   vae/                               AutoencoderKL
//   text_encoder/, tokenizer/          CLIPTextModel, CLIPTokenizer: the pooled vector
//   text_encoder_2/, tokenizer_2/      T5EncoderModel, T5Tokenizer: 512 tokens
//   scheduler/                         a flow of schedule_config.h
//
// guidance_scale is told to a network with guidance_embeds; negative prompts go with true_cfg_scale.
#pragma once

#include "absl/status/statusor.h"
#include "model/components.h"
#include "model/pipeline.h"

namespace easel {

absl::StatusOr<PipelineParts> LoadFluxFamily(Components& components, JsonObject& index);

}  // namespace easel

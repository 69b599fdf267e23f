// StableDiffusion3Pipeline of diffusers: Stable Diffusion 3 and 3.5.
//
//   model_index.json                   the components below
//   transformer/                       SD3Transformer2DModel
//   vae/                               AutoencoderKL
//   text_encoder/, tokenizer/          CLIPTextModelWithProjection, CLIPTokenizer: CLIP-L
//   text_encoder_2/, tokenizer_2/      the same of CLIP-G
//   text_encoder_3/, tokenizer_3/      T5EncoderModel, T5Tokenizer: 256 tokens; both or neither
//   scheduler/                         a flow of schedule_config.h
#pragma once

#include "absl/status/statusor.h"
#include "model/components.h"
#include "model/pipeline.h"

namespace easel {

absl::StatusOr<PipelineParts> LoadSd3Family(Components& components, JsonObject& index);

}  // namespace easel

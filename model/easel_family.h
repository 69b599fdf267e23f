// EaselPipeline: Easel's own family, and that of the book's networks.
//
//   model_index.json      transformer; vae (absent: the transformer works on pixels); text_encoder and
//   tokenizer (both or
//                         none); scheduler (absent: shift 1); and as Easel's own keys
//                           default_num_inference_steps   50
//                           default_guidance_scale        7.5 with text, else 3 with classes, else 1
//                           id2label                      {"0": "name, other name", …}, one entry a class
//                           text_encoder_attention_mask   true: the encoder is given the mask of padding, as
//                           the book does
//   transformer/          DiT, ConditionalDiT, TextConditionalDiT, EaselDiT
//   vae/                  AutoencoderKL, VAE, SmallVAE
//   text_encoder/, tokenizer/    CLIPTextModel, CLIPTokenizer
//   scheduler/            FlowMatchEulerDiscreteScheduler: shift, and prediction_type flow_prediction
//   (default), velocity or
//                         epsilon. Its times are NoiseSchedule's, whatever diffusers would make of the other
//                         keys.
#pragma once

#include "absl/status/statusor.h"
#include "model/components.h"
#include "model/pipeline.h"

namespace easel {

absl::StatusOr<PipelineParts> LoadEaselFamily(Components& components, JsonObject& index);

}  // namespace easel

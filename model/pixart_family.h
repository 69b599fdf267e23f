// PixArtAlphaPipeline and PixArtSigmaPipeline of diffusers.
//
//   model_index.json              the components below
//   transformer/                  PixArtTransformer2DModel, or Transformer2DModel as published
//   vae/                          AutoencoderKL
//   text_encoder/, tokenizer/     T5EncoderModel, T5Tokenizer: 120 tokens for alpha, 300 for Sigma
//   scheduler/                    any class that schedule_config.h knows for betas
//
// Pictures of any size are made in the sizes of resolution_bins.h, as use_resolution_binning does by default,
// where the network's sample_size has such a table; else in the size asked for.
#pragma once

#include "absl/status/statusor.h"
#include "model/components.h"
#include "model/pipeline.h"

namespace easel {

absl::StatusOr<PipelineParts> LoadPixArtAlphaFamily(Components& components, JsonObject& index);
absl::StatusOr<PipelineParts> LoadPixArtSigmaFamily(Components& components, JsonObject& index);

}  // namespace easel

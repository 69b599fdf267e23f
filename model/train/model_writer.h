// Writes what training made as a model directory (API: the layout of diffusers), float16 on disk.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/autoencoder/autoencoder_kl.h"
#include "model/conditioning/clip_text_encoder.h"
#include "model/io/safetensors.h"
#include "model/transformers/easel_dit.h"

namespace easel {

// Copies values by name; both hold the same names and shapes in the same order.
absl::Status CopyTensors(const NamedTensors& from, const NamedTensors& to);

// directory/config.json and its weights, with the linear map of latent previews fitted to `pixels` (N, 3, H, W).
absl::Status WriteAutoencoder(const std::string& directory, const AutoencoderKLParams& params, const NamedTensors& tensors,
                              const AutoencoderKL& autoencoder, const at::Tensor& pixels);

struct DenoiserFiles {
  EaselDiTParams transformer;
  ClipTextParams text_encoder;
  NamedTensors transformer_tensors, text_encoder_tensors;
  std::vector<std::string> class_names;
  int default_steps;
  double default_guidance_scale;
};
// model_index.json, transformer/, text_encoder/ and scheduler/ below `directory`; tokenizer/ and vae/ must be there already.
absl::Status WriteDenoiser(const std::string& directory, const DenoiserFiles& files);

}  // namespace easel

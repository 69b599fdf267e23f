// What denoise_bench times: a network, and what its rows are made of.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/denoise.h"
#include "model/transformers/transformer.h"

namespace easel {

struct DenoiseCase {
  std::shared_ptr<const Transformer> transformer;
  std::vector<int64_t> latent_shape;  // (C, H, W)
  float time = 0;                     // in the network's units, about halfway
  Conditioning conditional, unconditional;
};

// Of a model directory, or of a transformer's config.json as diffusers writes it: then with random weights, for a prompt as long as
// the family's, in float32 on the CPU.
absl::StatusOr<DenoiseCase> LoadDenoiseCase(const std::string& path);

}  // namespace easel

// What denoise_bench times: a network, and what its rows are made of.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/denoise.h"
#include "model/transformers/transformer.h"

namespace easel {

struct DenoiseCase {
  std::shared_ptr<const Transformer> transformer;
  c10::ScalarType dtype = c10::kFloat;
  std::vector<int64_t> latent_shape;  // (C, H, W)
  float time = 0;                     // in the network's units, about halfway
  Conditioning conditional, unconditional;
};

// Of a model directory, or of a transformer's config.json as diffusers writes it: then with random weights, for a prompt as long as
// the family's. On the CPU in float32, on another device in bfloat16.
absl::StatusOr<DenoiseCase> LoadDenoiseCase(const std::string& path, c10::Device device);

// Floating-point operations of one row's forward: of the same network without memory, on the CPU (flops.h). An error where the class
// of the transformer is none that LoadDenoiseCase builds of a config.
absl::StatusOr<int64_t> RowFlops(const std::string& path, const DenoiseCase& of);

}  // namespace easel

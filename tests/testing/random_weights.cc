#include "tests/testing/random_weights.h"

#include <ATen/ATen.h>

#include <cmath>

namespace easel {

RandomWeights::RandomWeights(uint64_t seed, Trained trained)
    : trained_(trained), generator_(at::detail::createCPUGenerator(seed)) {}

at::Tensor RandomWeights::Take(const std::string& name, at::IntArrayRef shape, Init init) {
  at::Tensor value = at::randn(shape, generator_);
  if (init == Init::kOnes) {
    value = 1 + 0.2 * value;
  } else if (shape.size() < 2) {
    value = 0.2 * value;
  } else {
    const double fan_in = static_cast<double>(value.numel()) / shape[0];
    value = value / std::sqrt(fan_in);
  }
  value.requires_grad_(trained_ == Trained::kYes);
  taken_.emplace_back(name, value);
  return value;
}

}  // namespace easel

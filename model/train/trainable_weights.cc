#include "model/train/trainable_weights.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "absl/strings/str_cat.h"

namespace easel {

TrainableWeights::TrainableWeights(uint64_t seed, c10::Device device)
    : generator_(at::detail::createCPUGenerator(seed)), device_(device) {}

at::Tensor TrainableWeights::Take(const std::string& name, at::IntArrayRef shape, Init init) {
  at::Tensor t = at::zeros(shape, at::kFloat);
  int64_t fan_out = shape.empty() ? 1 : shape[0];
  int64_t fan_in = std::max<int64_t>(1, t.numel() / std::max<int64_t>(1, fan_out));
  switch (init) {
    case Init::kZeros: break;
    case Init::kOnes: t.fill_(1); break;
    case Init::kNormal02: t.normal_(0, 0.02, generator_); break;
    case Init::kXavierUniform: {
      double bound = std::sqrt(6.0 / (fan_in + fan_out));
      t.uniform_(-bound, bound, generator_);
      break;
    }
    case Init::kKaimingUniform: {
      double bound = 1 / std::sqrt(static_cast<double>(fan_in));
      t.uniform_(-bound, bound, generator_);
      break;
    }
  }
  t = t.to(device_).requires_grad_(true);
  parameters_.emplace_back(name, t);
  return t;
}

int64_t TrainableWeights::count() const {
  int64_t n = 0;
  for (const auto& [name, tensor] : parameters_) n += tensor.numel();
  return n;
}

absl::Status CopyFromFile(const SafetensorsFile& file, const std::string& prefix, const NamedTensors& tensors) {
  c10::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    const std::string full = prefix + name;
    if (!file.Has(full)) return absl::InvalidArgumentError(absl::StrCat("the training state has no tensor ", full));
    at::Tensor saved = file.Get(full);
    if (saved.sizes() != tensor.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat("the training state's ", full, " has another shape than this network's"));
    }
    tensor.copy_(saved);
  }
  return absl::OkStatus();
}

}  // namespace easel

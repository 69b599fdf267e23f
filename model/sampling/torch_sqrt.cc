#include "model/sampling/torch_sqrt.h"

#include <ATen/ATen.h>

namespace easel {

float TorchSqrt(float value) { return at::scalar_tensor(value, at::kFloat).sqrt().item<float>(); }

}  // namespace easel

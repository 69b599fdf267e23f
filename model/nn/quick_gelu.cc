#include "model/nn/quick_gelu.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace easel {
namespace {

constexpr int64_t kWhole = 32;  // elements that LibTorch's kernels take at a time; activation.cc says why it matters

}  // namespace

at::Tensor QuickGelu(const at::Tensor& x) {
  const int64_t rest = x.numel() % kWhole;
  if (rest == 0 || at::GradMode::is_enabled() || !x.device().is_cpu()) return x * at::sigmoid(1.702 * x);
  at::Tensor padded = at::constant_pad_nd(x.reshape({-1}), {0, kWhole - rest});
  return QuickGelu(padded).narrow(0, 0, x.numel()).reshape(x.sizes());
}

}  // namespace easel

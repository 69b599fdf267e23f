#include "model/nn/activation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "model/nn/kernels/kernels.h"

namespace easel {
namespace {

// LibTorch's CPU kernels take two vectors at a time (of 16 floats at the most) and what is left over at the end by other
// instructions, with other low bits. Which elements those are depends on the rows before them, so none may be left over.
constexpr int64_t kWhole = 32;

template <typename Activation>
at::Tensor WithoutRemainder(const at::Tensor& x, Activation activation) {
  const int64_t rest = x.numel() % kWhole;
  if (rest == 0 || at::GradMode::is_enabled() || !x.device().is_cpu()) return activation(x);
  at::Tensor padded = at::constant_pad_nd(x.reshape({-1}), {0, kWhole - rest});
  return activation(padded).narrow(0, 0, x.numel()).reshape(x.sizes());
}

}  // namespace

at::Tensor Silu(const at::Tensor& x) {
  return WithoutRemainder(x, [](const at::Tensor& t) { return at::silu(t); });
}

at::Tensor Gelu(const at::Tensor& x, std::string_view approximate) {
  const CpuKernels* kernels = FastestCpuKernels();
  if (approximate == "tanh" && kernels != nullptr && x.device().is_cpu() && x.scalar_type() == at::kFloat &&
      !(at::GradMode::is_enabled() && x.requires_grad())) {
    const at::Tensor from = x.contiguous(), y = at::empty_like(from);
    kernels->gelu(from.const_data_ptr<float>(), from.numel(), y.mutable_data_ptr<float>());
    return y;
  }
  const c10::string_view kind(approximate.data(), approximate.size());
  return WithoutRemainder(x, [kind](const at::Tensor& t) { return at::gelu(t, kind); });
}

}  // namespace easel

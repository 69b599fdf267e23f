#include "model/nn/modulation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "model/nn/kernels/kernels.h"
#include "model/nn/layers.h"

namespace easel {
namespace {

// Null where the tensors are none that the kernels take, or there are no kernels.
template <typename... Tensors>
const CpuKernels* KernelsFor(const Tensors&... tensors) {
  const bool fit = ((tensors.device().is_cpu() && tensors.scalar_type() == at::kFloat && tensors.stride(-1) == 1) && ...);
  const bool training = at::GradMode::is_enabled() && (tensors.requires_grad() || ...);
  return fit && !training ? FastestCpuKernels() : nullptr;
}

}  // namespace

at::Tensor ModulatedNorm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps) {
  const CpuKernels* kernels = KernelsFor(x, shift, scale);
  if (kernels == nullptr || shift.stride(0) != scale.stride(0)) {
    return PlainLayerNorm(x, eps) * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1);
  }
  const at::Tensor from = x.contiguous();
  at::Tensor y = at::empty_like(from);
  kernels->modulated_norm(from.const_data_ptr<float>(), x.size(0), x.size(1), x.size(2), shift.const_data_ptr<float>(),
                          scale.const_data_ptr<float>(), shift.stride(0), static_cast<float>(eps), y.mutable_data_ptr<float>());
  return y;
}

at::Tensor GatedAdd(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& update) {
  const CpuKernels* kernels = KernelsFor(x, gate, update);
  if (kernels == nullptr) return x + gate.unsqueeze(1) * update;
  const at::Tensor from = x.contiguous(), by = update.contiguous();
  at::Tensor y = at::empty_like(from);
  kernels->gated_add(from.const_data_ptr<float>(), by.const_data_ptr<float>(), x.size(0), x.size(1), x.size(2),
                     gate.const_data_ptr<float>(), gate.stride(0), y.mutable_data_ptr<float>());
  return y;
}

at::Tensor HeadNorm(const at::Tensor& x, const at::Tensor& weight, int64_t heads, double eps) {
  const int64_t batch = x.size(0), length = x.size(1), dim = weight.size(0);
  const CpuKernels* kernels = KernelsFor(x, weight);
  if (kernels == nullptr || (batch > 1 && x.stride(0) != length * x.stride(1))) {
    return at::rms_norm(x.reshape({batch, length, heads, dim}), {dim}, weight.to(x.dtype()), eps).flatten(2);
  }
  at::Tensor y = at::empty({batch, length, heads * dim}, x.options());
  kernels->head_norm(x.const_data_ptr<float>(), x.stride(1), batch * length, heads, dim, weight.const_data_ptr<float>(),
                     static_cast<float>(eps), y.mutable_data_ptr<float>());
  return y;
}

}  // namespace easel

// What adaLN does around attention and MLP (https://arxiv.org/abs/2212.09748): norms, modulation, gates. Differentiable; on the
// CPU in float32 without gradients each is one pass over memory (kernels/kernels.h).
#pragma once

#include <ATen/core/Tensor.h>

namespace easel {

// Layer norm of x (B, L, D) over D without learned parameters, then · (1 + scale) + shift; shift, scale (B, D).
at::Tensor ModulatedNorm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps);

// x + gate · update; x, update (B, L, D), gate (B, D).
at::Tensor GatedAdd(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& update);

// RMS norm of each head's vector; x (B, L, heads · d), weight (d).
at::Tensor HeadNorm(const at::Tensor& x, const at::Tensor& weight, int64_t heads, double eps);

}  // namespace easel

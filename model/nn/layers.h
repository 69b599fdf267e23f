// The layers that every network here is made of: PyTorch's, with its names, as plain structs of tensors.
// Each is differentiable and thread-compatible: calling it changes nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "model/nn/packed_weight.h"
#include "model/nn/weights.h"

namespace easel {

enum class Bias { kYes, kNo };

// torch.nn.Linear: (..., in) → (..., out). On the CPU a row has the same bits alone and in any batch, unless it is trained
// through: with the kernels of packed_weight.h where they take the weight, else with LibTorch's product of at least 16 rows,
// below which its low bits depend on their count.
struct Linear {
  Linear(const Weights& weights, int64_t in, int64_t out, Bias has_bias = Bias::kYes, Init init = Init::kXavierUniform);
  // Of tensors that a checkpoint keeps under other names or shapes: packed projections, a patch convolution.
  Linear(at::Tensor weight, at::Tensor bias);
  at::Tensor operator()(const at::Tensor& x) const;
  at::TensorOptions options() const { return options_; }  // dtype and device of the weight

  at::Tensor bias;  // (out) or undefined

 private:
  PackedWeight packed_;
  at::Tensor weight_;  // (out, in); undefined where packed_ is defined, so that the memory is not there twice
  at::TensorOptions options_;
};

// torch.nn.Conv2d with a square kernel: (B, in, H, W) → (B, out, H', W').
struct Conv2d {
  Conv2d(const Weights& weights, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0);
  at::Tensor operator()(const at::Tensor& x) const;

  at::Tensor weight;  // (out, in, kernel, kernel)
  at::Tensor bias;    // (out)
  int64_t stride, padding;
};

// torch.nn.LayerNorm over the last dimension, with learned scale and shift.
struct LayerNorm {
  LayerNorm(const Weights& weights, int64_t dim, double eps = 1e-5);
  at::Tensor operator()(const at::Tensor& x) const;

  at::Tensor weight, bias;  // (dim)
  double eps;
};

// torch.nn.GroupNorm over (B, C, H, W).
struct GroupNorm {
  GroupNorm(const Weights& weights, int64_t groups, int64_t channels, double eps);
  at::Tensor operator()(const at::Tensor& x) const;

  at::Tensor weight, bias;  // (channels)
  int64_t groups;
  double eps;
};

// Layer norm over the last dimension without learned parameters.
at::Tensor PlainLayerNorm(const at::Tensor& x, double eps);

// Multi-head attention over (B, L, H·D) tensors: splits heads, softmax(q kᵀ / √D + mask) v, joins heads.
// `mask`: undefined, or broadcastable to (B, H, Lq, Lk): bool (true: attend) or float (added).
at::Tensor MultiHeadAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                              const at::Tensor& mask = {}, bool causal = false);

}  // namespace easel

// The 3×3 convolutions of pictures that are decoded again and again, and what stands between them: group norm and SiLU, shortcuts. On the CPU in
// float32 both go through the kernels of this machine (kernels/kernels.h), channels-last, in pieces (spread.h); every picture has
// the same bits alone and among others, on any number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/nn/layers.h"
#include "model/nn/packed_weight.h"
#include "model/nn/weights.h"

namespace easel {

// kYes: made ready for the kernels when it is built, which takes 16/9 of the weight's memory: for what is often used.
enum class Packing { kNo, kYes };

// torch.nn.Conv2d with a kernel of 3×3, stride 1 and padding 1. Differentiable where its weight requires a gradient.
struct Conv3x3 {
  Conv3x3(const Weights& weights, int64_t in, int64_t out, Packing packing);
  // (B, in, H, W) → (B, out, H, W); `add`: of that shape, added to the result, or undefined.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& add = {}) const;
  // (B, in, H, W) → (B, out, 2H, 2W): the convolution of x whose every pixel has become 2×2, by half the products.
  at::Tensor OfDoubled(const at::Tensor& x) const;

  int64_t in, out;
  at::Tensor weight;  // (out, in, 3, 3); undefined where packed is defined, so that the memory is not there twice
  at::Tensor bias;    // (out)
  at::Tensor packed;  // flat, as CpuKernels wants it

 private:
  at::Tensor Packed(const at::Tensor& x, bool doubled, const at::Tensor& add) const;
};

// torch.nn.Conv2d with a kernel of 1×1: (B, in, H, W) → (B, out, H, W). Differentiable where its weight requires a gradient.
struct Conv1x1 {
  Conv1x1(const Weights& weights, int64_t in, int64_t out, Packing packing);
  at::Tensor operator()(const at::Tensor& x) const;

  at::Tensor weight;  // (out, in, 1, 1); undefined where packed is defined
  at::Tensor bias;    // (out)
  PackedWeight packed;
};

// silu(norm(x)). Differentiable.
at::Tensor SiluOfNorm(const GroupNorm& norm, const at::Tensor& x);

}  // namespace easel

// The 3×3 convolutions of pictures that are decoded again and again, and what stands before them: group norm and SiLU. On the CPU in
// float32 both go through the kernels of this machine (kernels/kernels.h), channels-last, on LibTorch's intra-op threads; every
// picture has the same bits alone and among others, on any number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/nn/layers.h"
#include "model/nn/weights.h"

namespace easel {

// kYes: made ready for the kernels when it is built, which takes 16/9 of the weight's memory: for what is often used.
enum class Packing { kNo, kYes };

// torch.nn.Conv2d with a kernel of 3×3, stride 1 and padding 1. Differentiable where its weight requires a gradient.
struct Conv3x3 {
  Conv3x3(const Weights& weights, int64_t in, int64_t out, Packing packing);
  // (B, in, H, W) → (B, out, H, W); `add`: of that shape, added to the result, or undefined.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& add = {}) const;

  int64_t in, out;
  at::Tensor weight;  // (out, in, 3, 3); undefined where packed is defined, so that the memory is not there twice
  at::Tensor bias;    // (out)
  at::Tensor packed;  // flat, as CpuKernels wants it
};

// silu(norm(x)). Differentiable.
at::Tensor SiluOfNorm(const GroupNorm& norm, const at::Tensor& x);

}  // namespace easel

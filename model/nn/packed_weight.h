// A weight of a product, packed for the kernels of this machine's CPU (kernels/kernels.h).
#pragma once

#include <ATen/core/Tensor.h>

namespace easel {

// (out, in), float32, on the CPU. Cheap to copy; immutable, so usable from any thread.
class PackedWeight {
 public:
  PackedWeight() = default;
  // Not defined() where this machine has no kernels or the weight is another kind than they take: of another device or dtype,
  // one that is to be trained, or one without memory of its own (a checkpoint's placeholder).
  explicit PackedWeight(const at::Tensor& weight);

  bool defined() const { return packed_.defined(); }
  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  // x (rows, in) float32 → (rows, out); bias (out) or undefined. Every row has the same bits alone and among others. Not
  // differentiable: x must not require a gradient. REQUIRES: defined().
  at::Tensor Multiply(const at::Tensor& x, const at::Tensor& bias) const;

 private:
  at::Tensor packed_;  // (panels, in, panel), flat
  int64_t out_ = 0, in_ = 0;
};

}  // namespace easel

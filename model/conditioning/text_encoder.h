// The network that reads a prompt's tokens, behind one interface.
#pragma once

#include <ATen/core/Tensor.h>

namespace easel {

// An encoder says which of these it has; the others are undefined.
struct TextFeatures {
  at::Tensor hidden;       // (B, L, C) every token, after the final norm
  at::Tensor pooled;       // (B, P) the prompt as one vector; P is C, or the width that it is projected to
  at::Tensor penultimate;  // (B, L, C) every token before the last layer, not normed: transformers' hidden_states[-2]
};

// Immutable once built; Forward may be called from several threads at once.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  // ids (B, L) int64; mask (B, L) bool, true: attend to this token; or undefined: attend to padding too.
  // Row b depends on row b of the inputs alone. Differentiable.
  // REQUIRES: ids in [0, vocab_size()), L <= max_length(), both on the weights' device.
  virtual TextFeatures Forward(const at::Tensor& ids, const at::Tensor& mask) const = 0;
  virtual int64_t vocab_size() const = 0;
  virtual int64_t max_length() const = 0;
  virtual int64_t width() const = 0;              // C
  virtual at::TensorOptions options() const = 0;  // dtype and device of the weights
};

}  // namespace easel

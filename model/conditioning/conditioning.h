// What a forward needs to know about the requests in its batch; one struct for all families.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace easel {

// B rows. A tensor is undefined where the family does not use it, and then so in every row of that family.
struct Conditioning {
  at::Tensor text;       // (B, L, C) prompt tokens after the text encoder
  at::Tensor text_mask;  // (B, L) bool, true: a real token; false: padding
  at::Tensor pooled;     // (B, C) the prompt as one vector
  at::Tensor label;      // (B) int64 class; the class count itself is the null class
  at::Tensor guidance = {};  // (B) float32 guidance scale, for networks that embed it
};

// Stacks rows along B. REQUIRES: all rows have the same tensors defined, with the same L and C.
Conditioning Concatenate(const std::vector<Conditioning>& rows);

}  // namespace easel

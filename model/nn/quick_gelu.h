// CLIP's activation, every element of which has the same bits wherever it stands in a tensor.
#pragma once

#include <ATen/core/Tensor.h>

namespace easel {

// x·sigmoid(1.702·x), element by element: transformers' QuickGELUActivation.
at::Tensor QuickGelu(const at::Tensor& x);

}  // namespace easel

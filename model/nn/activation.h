// Activations whose every element has the same bits wherever it stands in a tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace easel {

// x·sigmoid(x), element by element.
at::Tensor Silu(const at::Tensor& x);
// `approximate`: "none" (with the error function) or "tanh", as torch.nn.functional.gelu.
at::Tensor Gelu(const at::Tensor& x, std::string_view approximate);

}  // namespace easel

// The arithmetic of a forward, counted.
#pragma once

#include <cstdint>
#include <functional>

namespace easel {

// Floating-point operations of the products and attentions that LibTorch is asked for on this thread while `forward` runs: 2 for a
// multiplication and its addition, by the shapes of at::linear and at::scaled_dot_product_attention. What goes to kernels of our own
// is not seen; a network of weights that are views without memory has none (denoise_case.h).
int64_t CountFlops(const std::function<void()>& forward);

}  // namespace easel

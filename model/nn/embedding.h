// Fixed embeddings: the time through sines, and positions of a grid through sines.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/nn/layers.h"

namespace easel {

// t (B) float → (B, dim) float32: [cos(t·f), sin(t·f)] with f = max_period^(−i / (dim/2)), as DiT's TimestepEmbedder.
// REQUIRES: dim even.
at::Tensor SinusoidalTime(const at::Tensor& t, int64_t dim, double max_period = 10000);

// (grid·grid, dim) float32: for row y and column x, sines and cosines of y in the first half of dim, of x in the second, with
// frequencies 10000^(−i / (dim/4)). REQUIRES: dim % 4 == 0.
at::Tensor SinusoidalGrid(int64_t grid, int64_t dim);

// (B, C, H, W) → (B, H/p · W/p, C·p·p), patches row by row, a patch's numbers in the order C, py, px (a convolution weight's).
at::Tensor Patchify(const at::Tensor& x, int64_t p);
// (B, N, p·p·C) → (B, C, H, W), a patch's numbers in the order py, px, C (as DiT's final layer). REQUIRES: N = H/p · W/p.
at::Tensor Unpatchify(const at::Tensor& x, int64_t p, int64_t height, int64_t width);

}  // namespace easel

// Positions of patches through sines, on a grid of any size that spans the same distance.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace easel {

// (height · width, dim) float32 on `device`, row by row: sines and cosines of a patch's column in the first
// half of dim, of its row in the second, with frequencies 10000^(−i / (dim/4)). Patch i of n stands at
// i · base_size / n / interpolation_scale, so a larger picture has its patches closer, not farther out. As
// get_2d_sincos_pos_embed in diffusers' models/embeddings.py: the positions in float32, the angles in
// float64. REQUIRES: dim % 4 == 0.
at::Tensor SpannedSinusoidalGrid(int64_t height, int64_t width, int64_t dim, int64_t base_size,
                                 double interpolation_scale, c10::Device device);

}  // namespace easel

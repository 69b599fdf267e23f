// A convolutional network run on overlapping tiles of its input, its outputs blended where they overlap: the
// memory of one tile, whatever the picture. Tiles and blend are those of diffusers' AutoencoderKL.tiled_decode.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace easel {

// x (B, C, H, W) → (B, C', H·tile_out/tile_in, W·tile_out/tile_in). `network` maps a tile (B, C, h, w) to
// (B, C', h·tile_out/tile_in, w·tile_out/tile_in). Tiles are tile_in on a side, fewer at the right and the bottom,
// and overlap by a quarter; over the overlap the weight goes linearly from a tile to the next.
// REQUIRES: tile_in and tile_out are positive multiples of 4; one divides the other.
at::Tensor InTiles(const at::Tensor& x, int64_t tile_in, int64_t tile_out,
                   const std::function<at::Tensor(const at::Tensor&)>& network);

}  // namespace easel

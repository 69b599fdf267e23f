#include "model/autoencoder/tiling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace easel {
namespace {

// Blends the end of `before` along `dim` into the beginning of `tile`, in place. The weights are float32, also of
// half precision's tiles.
void Blend(const at::Tensor& before, at::Tensor& tile, int64_t dim, int64_t extent) {
  extent = std::min({extent, before.size(dim), tile.size(dim)});
  std::vector<int64_t> shape(4, 1);
  shape[dim] = extent;
  const at::Tensor weight = (at::arange(extent, tile.options().dtype(at::kFloat)) / extent).reshape(shape);
  at::Tensor start = tile.narrow(dim, 0, extent);
  start.copy_(before.narrow(dim, before.size(dim) - extent, extent) * (1 - weight) + start * weight);
}

}  // namespace

at::Tensor InTiles(const at::Tensor& x, int64_t tile_in, int64_t tile_out,
                   const std::function<at::Tensor(const at::Tensor&)>& network) {
  const int64_t stride = tile_in * 3 / 4;
  const int64_t extent = tile_out / 4;     // that a tile shares with the next
  const int64_t kept = tile_out - extent;  // of a tile that has a next one
  std::vector<at::Tensor> above, rows;
  for (int64_t top = 0; top < x.size(2); top += stride) {
    const at::Tensor band = x.narrow(2, top, std::min(tile_in, x.size(2) - top));
    std::vector<at::Tensor> tiles, row;
    for (int64_t left = 0; left < x.size(3); left += stride) {
      at::Tensor tile = network(band.narrow(3, left, std::min(tile_in, x.size(3) - left)));
      if (!above.empty()) Blend(above[tiles.size()], tile, 2, extent);
      if (!tiles.empty()) Blend(tiles.back(), tile, 3, extent);
      row.push_back(tile.narrow(2, 0, std::min(kept, tile.size(2))).narrow(3, 0, std::min(kept, tile.size(3))));
      tiles.push_back(std::move(tile));
    }
    rows.push_back(at::cat(row, 3));
    above = std::move(tiles);
  }
  return at::cat(rows, 2);
}

}  // namespace easel

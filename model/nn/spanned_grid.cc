#include "model/nn/spanned_grid.h"

#include <ATen/ATen.h>

namespace easel {
namespace {

// (n, dim) float32: sines, then cosines.
at::Tensor SpannedAxis(int64_t n, int64_t dim, int64_t base_size, double interpolation_scale,
                       c10::Device device) {
  const at::Tensor index = at::arange(n, at::TensorOptions(at::kFloat).device(device));
  const at::Tensor position = index / (static_cast<double>(n) / base_size) / interpolation_scale;  // (n)
  const at::Tensor exponent =
      at::arange(dim / 2, at::TensorOptions(at::kDouble).device(device)) / (dim / 2.0);
  const at::Tensor frequency = at::pow(10000.0, exponent).reciprocal();         // (dim/2)
  const at::Tensor angles = position.to(at::kDouble).unsqueeze(1) * frequency;  // (n, dim/2)
  return at::cat({angles.sin(), angles.cos()}, 1).to(at::kFloat);
}

}  // namespace

at::Tensor SpannedSinusoidalGrid(int64_t height, int64_t width, int64_t dim, int64_t base_size,
                                 double interpolation_scale, c10::Device device) {
  const at::Tensor columns =
      SpannedAxis(width, dim / 2, base_size, interpolation_scale, device);                       // (w, dim/2)
  const at::Tensor rows = SpannedAxis(height, dim / 2, base_size, interpolation_scale, device);  // (h, dim/2)
  const at::Tensor grid =
      at::cat({columns.unsqueeze(0).expand({height, -1, -1}), rows.unsqueeze(1).expand({-1, width, -1})}, 2);
  return grid.flatten(0, 1);  // (h·w, dim)
}

}  // namespace easel

#include "model/nn/embedding.h"

#include <ATen/ATen.h>

#include <cmath>

namespace easel {

at::Tensor SinusoidalTime(const at::Tensor& t, int64_t dim, double max_period) {
  const int64_t half = dim / 2;
  at::Tensor f = at::exp(at::arange(half, t.options().dtype(at::kFloat)) * (-std::log(max_period) / half));
  at::Tensor angles = t.to(at::kFloat).unsqueeze(1) * f.unsqueeze(0);  // (B, dim/2)
  return at::cat({angles.cos(), angles.sin()}, 1);
}

at::Tensor SinusoidalGrid(int64_t grid, int64_t dim) {
  const int64_t quarter = dim / 4;
  at::Tensor f = at::exp(at::arange(quarter, at::kDouble) * (-std::log(10000.0) / quarter));
  at::Tensor angles = at::arange(grid, at::kDouble).unsqueeze(1) * f.unsqueeze(0);  // (grid, dim/4)
  at::Tensor axis = at::cat({angles.sin(), angles.cos()}, 1);                       // (grid, dim/2)
  at::Tensor rows = axis.unsqueeze(1).expand({grid, grid, dim / 2});
  at::Tensor columns = axis.unsqueeze(0).expand({grid, grid, dim / 2});
  return at::cat({rows, columns}, 2).reshape({grid * grid, dim}).to(at::kFloat);
}

at::Tensor Patchify(const at::Tensor& x, int64_t p) {
  const int64_t b = x.size(0), c = x.size(1), h = x.size(2) / p, w = x.size(3) / p;
  return x.reshape({b, c, h, p, w, p}).permute({0, 2, 4, 1, 3, 5}).reshape({b, h * w, c * p * p});
}

at::Tensor Unpatchify(const at::Tensor& x, int64_t p, int64_t height, int64_t width) {
  const int64_t b = x.size(0), h = height / p, w = width / p, c = x.size(2) / (p * p);
  return x.reshape({b, h, w, p, p, c}).permute({0, 5, 1, 3, 2, 4}).reshape({b, c, height, width});
}

}  // namespace easel

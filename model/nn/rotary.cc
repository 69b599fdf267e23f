#include "model/nn/rotary.h"

#include <ATen/ATen.h>

#include <vector>

namespace easel {

RotaryTable AxisRotaryTable(int64_t positions, int64_t dim, double theta) {
  const at::Tensor f = 1.0 / at::pow(theta, at::arange(0, dim, 2, at::kDouble) / dim);  // (dim/2)
  const at::Tensor angles = at::outer(at::arange(positions, at::kDouble), f);           // (positions, dim/2)
  return {angles.cos().to(at::kFloat), angles.sin().to(at::kFloat)};
}

at::Tensor Rotate(const at::Tensor& x, const RotaryTable& table) {
  const at::Tensor cos = table.cos.unsqueeze(1), sin = table.sin.unsqueeze(1);  // (L, 1, D/2)
  const std::vector<at::Tensor> pairs = x.unflatten(-1, {-1, 2}).unbind(-1);    // (B, L, H, D/2) each
  const at::Tensor first = pairs[0] * cos - pairs[1] * sin;
  const at::Tensor second = pairs[1] * cos + pairs[0] * sin;
  return at::stack({first, second}, -1).flatten(3).to(x.scalar_type());  // (B, L, H, D)
}

}  // namespace easel

// Rotary positions: each pair of neighbouring numbers of a query or a key is turned by an angle that grows
// with its position. The products of turned queries and keys then depend on how far apart they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace easel {

// (L, D/2) float32 each: cosine and sine of the angle by which token l's pair i, the numbers 2i and 2i + 1,
// is turned.
struct RotaryTable {
  at::Tensor cos, sin;
};

// Of the positions 0 … positions − 1 along one axis, (positions, dim/2): angle position · theta^(−2i / dim),
// computed in float64. REQUIRES: dim even.
RotaryTable AxisRotaryTable(int64_t positions, int64_t dim, double theta);

// x (B, L, H, D), turned → same shape and dtype. Computed in float32 at least.
at::Tensor Rotate(const at::Tensor& x, const RotaryTable& table);

}  // namespace easel

#include "model/conditioning/conditioning.h"

#include <ATen/ATen.h>

namespace easel {

Conditioning Concatenate(const std::vector<Conditioning>& rows) {
  auto stack = [&](at::Tensor Conditioning::*field) {
    if (rows.empty() || !(rows.front().*field).defined()) return at::Tensor();
    if (rows.size() == 1) return rows.front().*field;
    std::vector<at::Tensor> parts;
    parts.reserve(rows.size());
    for (const Conditioning& row : rows) parts.push_back(row.*field);
    return at::cat(parts);
  };
  Conditioning result;
  result.text = stack(&Conditioning::text);
  result.text_mask = stack(&Conditioning::text_mask);
  result.pooled = stack(&Conditioning::pooled);
  result.label = stack(&Conditioning::label);
  result.guidance = stack(&Conditioning::guidance);
  return result;
}

}  // namespace easel

// "Rows keep their bits": what a network makes of a row does not depend on the rows that it shares a forward with.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace easel {

// forward(first, count): what rows [first, first + count) of some `rows` give together, a row each. Expects every row to have the
// bits that it has alone, in batches of every size and at every place in them. Runs on one intra-op thread, as the engine's workers
// do (with more, a product of many rows may be cut up otherwise), and without gradients.
void ExpectRowsKeepTheirBits(int64_t rows, const std::function<at::Tensor(int64_t first, int64_t count)>& forward);

}  // namespace easel

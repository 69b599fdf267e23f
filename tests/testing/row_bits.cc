#include "tests/testing/row_bits.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "tests/testing/tensor_matchers.h"

namespace easel {

void ExpectRowsKeepTheirBits(int64_t rows, const std::function<at::Tensor(int64_t first, int64_t count)>& forward) {
  ASSERT_GT(rows, 1);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> alone;
  for (int64_t row = 0; row < rows; ++row) alone.push_back(forward(row, 1)[0]);
  for (int64_t count = 2; count <= rows; ++count) {
    const int64_t first = rows - count;  // so that a row also changes its place
    const at::Tensor batch = forward(first, count);
    EXPECT_EQ(batch.size(0), count);
    for (int64_t i = 0; i < count; ++i) {
      EXPECT_TRUE(SameBytes(batch[i], alone[first + i])) << "row " << i << " of " << count;
    }
  }
  at::set_num_threads(threads);
}

}  // namespace easel

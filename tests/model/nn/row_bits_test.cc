#include "tests/testing/row_bits.h"

#include <ATen/ATen.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <functional>

namespace easel {
namespace {

using Forward = std::function<at::Tensor(int64_t first, int64_t count)>;

int Failures(const Forward& forward) {
  testing::TestPartResultArray results;
  const testing::ScopedFakeTestPartResultReporter reporter(
      testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
  ExpectRowsKeepTheirBits(4, forward);
  return results.size();
}

TEST(RowBits, AreKeptWhereEachRowIsComputedAlone) {
  const at::Tensor x = at::randn({4, 3});
  EXPECT_EQ(Failures([&](int64_t first, int64_t count) { return x.narrow(0, first, count).exp(); }), 0);
}

TEST(RowBits, AreLostByTheLeastThatDependsOnTheCountOrThePlace) {
  const at::Tensor x = at::ones({4, 3});
  const float least = 1e-7f;
  EXPECT_EQ(Failures([&](int64_t first, int64_t count) { return x.narrow(0, first, count) + (count == 3 ? least : 0); }), 3);
  auto last_differs = [&](int64_t first, int64_t count) {
    at::Tensor y = x.narrow(0, first, count).clone();
    if (count > 1) y[count - 1].add_(least);
    return y;
  };
  EXPECT_EQ(Failures(last_differs), 3);
}

}  // namespace
}  // namespace easel

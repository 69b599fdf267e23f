#include "model/nn/rotary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

// In float32 the angle of a far position is off by more than its cosine's last digit.
TEST(AxisRotaryTable, IsComputedInFloat64) {
  const int64_t dim = 56;
  const RotaryTable table = AxisRotaryTable(/*positions=*/1024, dim, /*theta=*/10000);
  for (int64_t position : {0, 1, 511, 1023}) {
    for (int64_t i : {0, 1, 13, 27}) {
      const double angle = position * std::pow(10000.0, -2.0 * i / dim);
      EXPECT_NEAR(table.cos[position][i].item<float>(), std::cos(angle), 1e-7) << position << ", " << i;
      EXPECT_NEAR(table.sin[position][i].item<float>(), std::sin(angle), 1e-7) << position << ", " << i;
    }
  }
}

TEST(Rotate, TurnsPairsOfNeighbours) {
  RotaryTable table;  // of two tokens: a quarter and none for the first, none and a half for the second
  table.cos = at::tensor({0.f, 1.f, 1.f, -1.f}).reshape({2, 2});
  table.sin = at::tensor({1.f, 0.f, 0.f, 0.f}).reshape({2, 2});
  const at::Tensor x = at::tensor({1.f, 2.f, 3.f, 4.f}).expand({1, 2, 3, 4});
  const at::Tensor turned = Rotate(x, table);
  for (int64_t head = 0; head < 3; ++head) {
    EXPECT_TRUE(SameBytes(turned[0][0][head], at::tensor({-2.f, 1.f, 3.f, 4.f})));
    EXPECT_TRUE(SameBytes(turned[0][1][head], at::tensor({1.f, 2.f, -3.f, -4.f})));
  }
  EXPECT_EQ(Rotate(x.to(at::kBFloat16), table).scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace easel

#include "tests/testing/tensor_matchers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace easel {
namespace {

using testing::HasSubstr;

TEST(RelativelyClose, ComparesTheNormOfTheDifference) {
  const at::Tensor expected = at::tensor({3.0f, 4.0f});  // norm 5
  const at::Tensor actual = at::tensor({3.0f, 4.5f});    // off by 0.5
  EXPECT_TRUE(RelativelyClose(actual, expected, 0.11));
  EXPECT_FALSE(RelativelyClose(actual, expected, 0.09));
  EXPECT_TRUE(RelativelyClose(expected, expected, 0));
  EXPECT_TRUE(RelativelyClose(at::zeros({2}), at::zeros({2}), 0));
  EXPECT_FALSE(RelativelyClose(at::ones({2}), at::zeros({2}), 1));
}

TEST(RelativelyClose, NeverAcceptsNanOrAnotherShape) {
  const at::Tensor ones = at::ones({2, 2});
  EXPECT_FALSE(RelativelyClose(at::full({2, 2}, NAN), ones, 1e9));
  EXPECT_FALSE(RelativelyClose(ones, at::full({2, 2}, NAN), 1e9));
  EXPECT_FALSE(RelativelyClose(at::ones({4}), ones, 1e9));
  EXPECT_FALSE(RelativelyClose(at::Tensor(), ones, 1e9));
}

TEST(RelativelyClose, SaysWhereTheLargestDifferenceIs) {
  at::Tensor actual = at::ones({2, 3});
  actual[1][2] = 1.5;
  actual[0][1] = 0.75;
  EXPECT_THAT(std::string(RelativelyClose(actual, at::ones({2, 3}), 1e-3).message()),
              HasSubstr("largest difference 0.5 at [1, 2]: 1.5, expected 1"));
  actual[0][0] = NAN;
  EXPECT_THAT(std::string(RelativelyClose(actual, at::ones({2, 3}), 1e-3).message()),
              HasSubstr("at [0, 0]: nan"));
}

TEST(SameBytes, TellsBitsDtypeAndShape) {
  EXPECT_TRUE(SameBytes(at::tensor({1.0f, NAN}), at::tensor({1.0f, NAN})));
  EXPECT_FALSE(SameBytes(at::tensor({0.0f}), at::tensor({-0.0f})));
  EXPECT_FALSE(SameBytes(at::ones({2}), at::ones({2}, at::kDouble)));
  EXPECT_FALSE(SameBytes(at::ones({2}), at::ones({2, 1})));
  EXPECT_TRUE(SameBytes(at::ones({2, 3}).t(), at::ones({3, 2})));
}

TEST(LoadGolden, SaysWhatIsMissing) { EXPECT_THROW(LoadGolden("absent.safetensors"), std::runtime_error); }

}  // namespace
}  // namespace easel

#include "model/autoencoder/pixels.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ToImage, RowsOfRgb) {
  // Red rises from left to right, green from top to bottom, blue is full.
  const at::Tensor red = at::tensor({-1.0f, 0.2f, 1.0f}).expand({2, 3});
  const at::Tensor green = at::tensor({-1.0f, 1.0f}).view({2, 1}).expand({2, 3});
  const auto image = ToImage(at::stack({red, green, at::ones({2, 3})}));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, 3);
  EXPECT_EQ(image->height, 2);
  EXPECT_THAT(image->rgb, ElementsAre(0, 0, 255, 153, 0, 255, 255, 0, 255,  //
                                      0, 255, 255, 153, 255, 255, 255, 255, 255));
}

TEST(ToImage, ClampsAndRoundsTiesToEven) {
  // 0 lies at level 127.5 and 0.4 at 178.5, both exactly in float32: the one goes up, the other down.
  EXPECT_THAT(ToImage(at::tensor({-7.0f, 0.0f, 7.0f}).view({3, 1, 1}))->rgb, ElementsAre(0, 128, 255));
  EXPECT_THAT(ToImage(at::full({3, 1, 1}, 0.4f))->rgb, ElementsAre(178, 178, 178));
}

TEST(ToImage, TakesHalfPrecision) {
  EXPECT_THAT(ToImage(at::full({3, 1, 1}, 0.5, at::kBFloat16))->rgb, ElementsAre(191, 191, 191));
}

TEST(ToImage, NotFiniteIsAnErrorNotBlack) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    at::Tensor pixels = at::zeros({3, 4, 4});
    pixels[1][2][3] = bad;
    const auto image = ToImage(pixels);
    ASSERT_FALSE(image.ok());
    EXPECT_EQ(image.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(image.status().message()), HasSubstr("1 of 48"));
  }
}

}  // namespace
}  // namespace easel

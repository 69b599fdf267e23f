#include "model/resolution_bins.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

TEST(ClosestBin, IsThatOfTheClosestShape) {
  const std::vector<ResolutionBin> bins = PixArtResolutionBins(128);
  struct {
    int width, height, made_width, made_height;
  } const cases[] = {{1024, 1024, 1024, 1024}, {1, 1, 1024, 1024},      {2000, 1999, 1024, 1024},
                     {1920, 1080, 1344, 768},  {1080, 1920, 768, 1344}, {16000, 1, 2048, 512},
                     {1, 16000, 512, 2048}};
  for (const auto& c : cases) {
    const PictureSize made = ClosestBin(bins, {c.width, c.height});
    EXPECT_EQ(made.width, c.made_width) << c.width << " x " << c.height;
    EXPECT_EQ(made.height, c.made_height) << c.width << " x " << c.height;
  }
}

TEST(PixArtResolutionBins, AreHalvesAndQuartersOfOneTableAndOneOfTheirOwn) {
  const auto large = PixArtResolutionBins(128), half = PixArtResolutionBins(64),
             quarter = PixArtResolutionBins(32);
  ASSERT_EQ(large.size(), 33u);
  for (size_t i = 0; i < large.size(); ++i) {
    EXPECT_EQ(2 * half[i].size.width, large[i].size.width);
    EXPECT_EQ(4 * quarter[i].size.height, large[i].size.height);
  }
  EXPECT_EQ(PixArtResolutionBins(256).size(), 40u);
  EXPECT_TRUE(PixArtResolutionBins(16).empty());
}

TEST(ResizedAndCropped, HasTheSizeAskedForWhateverTheRounding) {
  const at::Tensor pixels = at::rand({1, 1, 832, 416});
  for (const int height : {1, 14, 15, 30, 60, 63, 831, 1000}) {  // 832 · (15 / 832.0) is less than 15
    for (const int width : {1, 7, 417}) {
      EXPECT_EQ(ResizedAndCropped(pixels, {width, height}).sizes(), at::IntArrayRef({1, 1, height, width}));
    }
  }
}

TEST(ResizedAndCropped, CutsTheMiddleOut) {
  const at::Tensor pixels = at::rand({1, 3, 8, 12});
  EXPECT_TRUE(SameBytes(ResizedAndCropped(pixels, {12, 8}), pixels));
  EXPECT_TRUE(SameBytes(ResizedAndCropped(pixels, {8, 8}), pixels.narrow(3, 2, 8)));
  EXPECT_TRUE(SameBytes(ResizedAndCropped(pixels, {12, 4}), pixels.narrow(2, 2, 4)));
}

}  // namespace
}  // namespace easel

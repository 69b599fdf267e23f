#include "server/image/png.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Image Noise(int width, int height) {
  std::mt19937 random(7);
  Image image{.width = width, .height = height, .rgb = std::vector<uint8_t>(width * height * 3)};
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random());
  return image;
}

TEST(Png, KeepsEveryPixel) {
  for (const auto& [width, height] : {std::pair(1, 1), {3, 5}, {5, 3}, {64, 64}, {257, 31}}) {
    const Image image = Noise(width, height);
    const auto bytes = EncodePng(image, "");
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const auto decoded = DecodePng(*bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(std::pair(decoded->image.width, decoded->image.height), std::pair(width, height));
    EXPECT_EQ(decoded->image.rgb, image.rgb);
    EXPECT_EQ(decoded->parameters, "");
  }
}

TEST(Png, LatinTextIsATextChunk) {
  const std::string text = "café au lait, déjà vu\nSteps: 30, Sampler: euler";
  const std::string bytes = *EncodePng(Noise(2, 2), text);
  EXPECT_EQ(DecodePng(bytes)->parameters, text);
  EXPECT_THAT(bytes, HasSubstr("tEXtparameters"));
  EXPECT_THAT(bytes, HasSubstr("caf\xe9 au lait"));  // Latin-1, as the chunk has it
  EXPECT_THAT(bytes, Not(HasSubstr("iTXt")));
}

TEST(Png, OtherTextIsAnInternationalChunk) {
  const std::string text = "紅いりんご 🍎 café\nSteps: 30";
  const std::string bytes = *EncodePng(Noise(2, 2), text);
  EXPECT_EQ(DecodePng(bytes)->parameters, text);
  EXPECT_THAT(bytes, HasSubstr("iTXtparameters"));
  EXPECT_THAT(bytes, HasSubstr("紅いりんご"));
}

TEST(Png, RefusesTextThatNoChunkHolds) {
  EXPECT_THAT(std::string(EncodePng(Noise(1, 1), std::string_view("a\0b", 3)).status().message()),
              HasSubstr("NUL at byte 1"));
  EXPECT_THAT(std::string(EncodePng(Noise(1, 1), "ab\xff").status().message()),
              HasSubstr("not UTF-8 at byte 2"));
  EXPECT_FALSE(EncodePng(Noise(1, 1), "\xc3").ok());          // cut short
  EXPECT_FALSE(EncodePng(Noise(1, 1), "\xc0\xaf").ok());      // an over-long '/'
  EXPECT_FALSE(EncodePng(Noise(1, 1), "\xed\xa0\x80").ok());  // half of a surrogate pair
}

TEST(Png, EveryCutIsAnError) {
  const std::string bytes = *EncodePng(Noise(9, 9), "Steps: 1");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodePng(std::string_view(bytes).substr(0, size)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << size;
  }
}

TEST(Png, DamageInPixelsIsAnError) {
  std::string bytes = *EncodePng(Noise(9, 9), "");
  const size_t pixels = bytes.find("IDAT") + 40;
  bytes[pixels] = static_cast<char>(bytes[pixels] ^ 0x55);
  const auto decoded = DecodePng(bytes);
  EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(decoded.status().message()), HasSubstr("damaged PNG"));
}

TEST(Png, OtherFilesAreAnError) {
  EXPECT_THAT(std::string(DecodePng("GIF89a and more").status().message()), HasSubstr("not a PNG"));
  EXPECT_FALSE(DecodePng("").ok());
}

// A file that claims to be gigantic must not make us take the memory for it.
TEST(Png, HugeSizesAreRefused) {
  std::string bytes = *EncodePng(Noise(1, 1), "");
  const size_t width = bytes.find("IHDR") + 4;
  bytes.replace(width, 4, std::string("\x00\x10\x00\x00", 4));
  EXPECT_FALSE(DecodePng(bytes).ok());
}

}  // namespace
}  // namespace easel

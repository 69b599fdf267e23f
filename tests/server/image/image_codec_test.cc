#include "server/image/image_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <turbojpeg.h>
#include <webp/decode.h>

#include <cmath>
#include <random>

#include "server/image/png.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

Image Noise(int width, int height) {
  std::mt19937 random(7);
  Image image{.width = width, .height = height, .rgb = std::vector<uint8_t>(width * height * 3)};
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random());
  return image;
}

// Soft colours, as lossy formats are made for.
Image Gradient(int width, int height) {
  Image image{.width = width, .height = height, .rgb = {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.rgb.push_back(static_cast<uint8_t>(40 + 200 * x / width));
      image.rgb.push_back(static_cast<uint8_t>(220 - 180 * y / height));
      image.rgb.push_back(static_cast<uint8_t>(60 + 100 * (x + y) / (width + height)));
    }
  }
  return image;
}

double Psnr(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::pow(a.rgb[i] - b.rgb[i], 2);
  return 10 * std::log10(255.0 * 255.0 * a.rgb.size() / sum);
}

Image DecodeJpeg(const std::string& bytes) {
  Image image;
  tjhandle handle = tjInitDecompress();
  int subsampling = 0, colours = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  EXPECT_EQ(
      tjDecompressHeader3(handle, data, bytes.size(), &image.width, &image.height, &subsampling, &colours),
      0);
  image.rgb.resize(image.width * image.height * 3);
  EXPECT_EQ(
      tjDecompress2(handle, data, bytes.size(), image.rgb.data(), image.width, 0, image.height, TJPF_RGB, 0),
      0);
  tjDestroy(handle);
  return image;
}

Image DecodeWebp(const std::string& bytes) {
  Image image;
  uint8_t* rgb = WebPDecodeRGB(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &image.width,
                               &image.height);
  EXPECT_NE(rgb, nullptr);
  if (rgb != nullptr) image.rgb.assign(rgb, rgb + image.width * image.height * 3);
  WebPFree(rgb);
  return image;
}

TEST(ImageCodec, LossyFormatsKeepSizeAndLook) {
  for (const auto& [width, height] : {std::pair(1, 1), {3, 5}, {64, 64}, {129, 65}}) {
    const Image image = Gradient(width, height);
    const auto jpeg = EncodeImage(image, {.format = ImageFormat::kJpeg, .quality = 90});
    ASSERT_TRUE(jpeg.ok()) << jpeg.status();
    const Image from_jpeg = DecodeJpeg(*jpeg);
    ASSERT_EQ(std::pair(from_jpeg.width, from_jpeg.height), std::pair(width, height));
    EXPECT_GT(Psnr(image, from_jpeg), 32) << width << "x" << height;
    const auto webp = EncodeImage(image, {.format = ImageFormat::kWebp, .quality = 90});
    ASSERT_TRUE(webp.ok()) << webp.status();
    const Image from_webp = DecodeWebp(*webp);
    ASSERT_EQ(std::pair(from_webp.width, from_webp.height), std::pair(width, height));
    EXPECT_GT(Psnr(image, from_webp), width < 64 ? 24 : 34) << width << "x" << height;
  }
}

TEST(ImageCodec, QualityIsHeeded) {
  const Image image = Noise(64, 64);
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kWebp}) {
    EXPECT_LT(EncodeImage(image, {.format = format, .quality = 10})->size(),
              EncodeImage(image, {.format = format, .quality = 95})->size() / 2);
  }
}

TEST(ImageCodec, RawIsTheRows) {
  const Image image = Noise(3, 5);
  EXPECT_EQ(*EncodeImage(image, {.format = ImageFormat::kRawRgb8}),
            std::string(image.rgb.begin(), image.rgb.end()));
}

TEST(ImageCodec, RefusesWhatItCannotWrite) {
  Image image = Noise(4, 4);
  EXPECT_THAT(std::string(EncodeImage(image, {.quality = 0}).status().message()), HasSubstr("1 to 100"));
  EXPECT_THAT(std::string(EncodeImage(image, {.quality = 101}).status().message()), HasSubstr("101"));
  EXPECT_FALSE(EncodeImage(image, {.format = ImageFormat::kJpeg, .parameters = "Steps: 1"}).ok());
  image.rgb.pop_back();
  EXPECT_THAT(std::string(EncodeImage(image, {}).status().message()), HasSubstr("4x4 with 47 bytes"));
  EXPECT_FALSE(EncodeImage(Image{}, {}).ok());
  const Image wide{.width = 16384, .height = 1, .rgb = std::vector<uint8_t>(16384 * 3)};
  EXPECT_THAT(std::string(EncodeImage(wide, {.format = ImageFormat::kWebp}).status().message()),
              HasSubstr("16383"));
}

TEST(Shrink, AveragesAreas) {
  const Image image{.width = 4, .height = 2, .rgb = {0,   0, 0, 100, 0, 0, 10, 10, 10, 30, 30, 30,  //
                                                     200, 0, 0, 100, 0, 4, 10, 10, 10, 30, 30, 30}};
  const Image small = Shrink(image, 2);
  EXPECT_EQ(std::pair(small.width, small.height), std::pair(2, 1));
  EXPECT_EQ(small.rgb, (std::vector<uint8_t>{100, 0, 1, 20, 20, 20}));
}

TEST(Shrink, SplitsPixelsThatLieAcrossABorder) {
  const Image image{.width = 3, .height = 1, .rgb = {0, 0, 0, 90, 90, 90, 240, 240, 240}};
  const Image small = Shrink(image, 2);
  EXPECT_EQ(std::pair(small.width, small.height), std::pair(2, 1));
  EXPECT_EQ(small.rgb, (std::vector<uint8_t>{30, 30, 30, 190, 190, 190}));
}

TEST(Shrink, LeavesWhatFitsAndKeepsAtLeastOnePixel) {
  const Image image = Noise(5, 3);
  EXPECT_EQ(Shrink(image, 5).rgb, image.rgb);
  const Image line = Shrink(Noise(100, 1), 10);
  EXPECT_EQ(std::pair(line.width, line.height), std::pair(10, 1));
}

}  // namespace
}  // namespace easel

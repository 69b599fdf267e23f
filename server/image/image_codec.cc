#include "server/image/image_codec.h"

#include <turbojpeg.h>
#include <webp/encode.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/image/png.h"

namespace easel {
namespace {

constexpr int kJpegMaxSide = 65535;

absl::Status Check(const Image& image, const EncodeOptions& options) {
  if (image.width < 1 || image.height < 1 ||
      image.rgb.size() != static_cast<size_t>(image.width) * image.height * 3) {
    return absl::InvalidArgumentError(absl::StrCat("picture of ", image.width, "x", image.height, " with ",
                                                   image.rgb.size(), " bytes of RGB"));
  }
  if (options.quality < 1 || options.quality > 100) {
    return absl::InvalidArgumentError(absl::StrCat("quality is ", options.quality, "; it takes 1 to 100"));
  }
  if (options.format != ImageFormat::kPng && !options.parameters.empty()) {
    return absl::InvalidArgumentError("parameters can be embedded in PNG only");
  }
  return absl::OkStatus();
}

absl::Status TooBig(const char* format, int max_side, const Image& image) {
  return absl::InvalidArgumentError(absl::StrCat(format, " holds up to ", max_side, " pixels a side, not ",
                                                 image.width, "x", image.height));
}

absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality) {
  if (std::max(image.width, image.height) > kJpegMaxSide) return TooBig("JPEG", kJpegMaxSide, image);
  std::unique_ptr<void, decltype(&tjDestroy)> compressor(tjInitCompress(), tjDestroy);
  if (compressor == nullptr) return absl::InternalError(absl::StrCat("JPEG: ", tjGetErrorStr()));
  unsigned char* data = nullptr;
  unsigned long size = 0;
  // Full chroma: halved, it smears the edges of small, colourful pictures.
  const int failed = tjCompress2(compressor.get(), image.rgb.data(), image.width, /*pitch=*/0, image.height,
                                 TJPF_RGB, &data, &size, TJSAMP_444, quality, /*flags=*/0);
  std::unique_ptr<unsigned char, decltype(&tjFree)> owner(data, tjFree);
  if (failed) return absl::InternalError(absl::StrCat("JPEG: ", tjGetErrorStr2(compressor.get())));
  return std::string(reinterpret_cast<char*>(data), size);
}

absl::StatusOr<std::string> EncodeWebp(const Image& image, int quality) {
  if (std::max(image.width, image.height) > WEBP_MAX_DIMENSION)
    return TooBig("WebP", WEBP_MAX_DIMENSION, image);
  uint8_t* data = nullptr;
  const size_t size = WebPEncodeRGB(image.rgb.data(), image.width, image.height, image.width * 3,
                                    static_cast<float>(quality), &data);
  std::unique_ptr<uint8_t, decltype(&WebPFree)> owner(data, [](void* p) { WebPFree(p); });
  if (size == 0) return absl::InternalError("WebP: the encoder failed");
  return std::string(reinterpret_cast<char*>(data), size);
}

// What of source pixels [first, first + weights.size()) one target pixel is made of; the weights add up to 1.
struct Span {
  int first;
  std::vector<float> weights;
};

std::vector<Span> AreaSpans(int from, int to) {
  std::vector<Span> spans(to);
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const double begin = i * scale, end = std::min<double>((i + 1) * scale, from);
    spans[i].first = static_cast<int>(begin);
    for (int j = spans[i].first; j < end; ++j) {
      const double covered = std::min<double>(j + 1, end) - std::max<double>(j, begin);
      spans[i].weights.push_back(static_cast<float>(covered / (end - begin)));
    }
  }
  return spans;
}

}  // namespace

absl::StatusOr<std::string> EncodeImage(const Image& image, const EncodeOptions& options) {
  if (absl::Status status = Check(image, options); !status.ok()) return status;
  switch (options.format) {
    case ImageFormat::kPng:
      return EncodePng(image, options.parameters);
    case ImageFormat::kJpeg:
      return EncodeJpeg(image, options.quality);
    case ImageFormat::kWebp:
      return EncodeWebp(image, options.quality);
    case ImageFormat::kRawRgb8:
      return std::string(image.rgb.begin(), image.rgb.end());
  }
  return absl::InternalError("unknown image format");
}

Image Shrink(const Image& image, int max_size) {
  const int longer = std::max(image.width, image.height);
  if (longer <= max_size) return image;
  const auto scaled = [&](int side) {
    return std::max(1, static_cast<int>(std::lround(static_cast<double>(side) * max_size / longer)));
  };
  Image small{.width = scaled(image.width), .height = scaled(image.height), .rgb = {}};
  small.rgb.resize(static_cast<size_t>(small.width) * small.height * 3);
  const std::vector<Span> columns = AreaSpans(image.width, small.width);
  const std::vector<Span> rows = AreaSpans(image.height, small.height);
  std::vector<float> line(static_cast<size_t>(image.width) * 3);  // the rows of one target row, averaged
  uint8_t* out = small.rgb.data();
  for (const Span& row : rows) {
    std::fill(line.begin(), line.end(), 0.f);
    for (size_t j = 0; j < row.weights.size(); ++j) {
      const uint8_t* source = image.rgb.data() + (row.first + j) * line.size();
      for (size_t x = 0; x < line.size(); ++x) line[x] += row.weights[j] * source[x];
    }
    for (const Span& column : columns) {
      for (int channel = 0; channel < 3; ++channel) {
        float sum = 0;
        for (size_t j = 0; j < column.weights.size(); ++j) {
          sum += column.weights[j] * line[(column.first + j) * 3 + channel];
        }
        *out++ = static_cast<uint8_t>(std::clamp(std::lround(sum), 0l, 255l));
      }
    }
  }
  return small;
}

}  // namespace easel

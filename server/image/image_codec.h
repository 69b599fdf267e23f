// Pictures to bytes. Pure functions: any thread, no state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "model/image.h"

namespace easel {

enum class ImageFormat {
  kPng,
  kJpeg,
  kWebp,     // lossy
  kRawRgb8,  // the rows as they are, without header
};

struct EncodeOptions {
  ImageFormat format = ImageFormat::kPng;
  int quality = 90;  // 1 to 100; JPEG and WebP
  // UTF-8 without NUL, written into a PNG (png.h); empty: none. Other formats REQUIRE empty.
  std::string parameters = {};
};

// InvalidArgument for a picture whose bytes do not fit its size, that the format cannot hold (JPEG: 65,535
// pixels a side, WebP: 16,383), or for options as above.
absl::StatusOr<std::string> EncodeImage(const Image& image, const EncodeOptions& options);

// The picture scaled down, by averages of areas, so that neither side is over `max_size` (≥ 1); one that fits
// comes back as it is.
Image Shrink(const Image& image, int max_size);

}  // namespace easel

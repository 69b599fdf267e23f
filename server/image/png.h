// PNG, with the text chunk `parameters` (parameters.h) that carries how the picture was made.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/image.h"

namespace easel {

// `parameters`: UTF-8 without NUL, empty for none. Kept as tEXt where Latin-1 can say it, else as iTXt, as
// other image tools do. REQUIRES: image.rgb holds width × height × 3 bytes, width and height ≥ 1.
absl::StatusOr<std::string> EncodePng(const Image& image, std::string_view parameters);

struct DecodedPng {
  Image image;             // any kind of PNG, brought to 8-bit RGB; alpha is dropped
  std::string parameters;  // UTF-8; empty: the file has none
};

// InvalidArgument for bytes that are no PNG, are damaged or cut short, or hold more than 16,384 pixels a
// side.
absl::StatusOr<DecodedPng> DecodePng(std::string_view bytes);

}  // namespace easel

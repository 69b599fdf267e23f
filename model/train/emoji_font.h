// The pictures of a colour bitmap font (CBDT), one for each emoji sequence.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

// One thread at a time.
class EmojiFont {
 public:
  // Errors name the file: NotFound when it is not there, InvalidArgument when it is not a font with a colour
  // strike.
  static absl::StatusOr<std::unique_ptr<EmojiFont>> Open(const std::string& path);
  ~EmojiFont();

  // The one glyph of the sequence, on white, padded to a square: (3, side, side) float in [0, 1], red first.
  // InvalidArgument when the font makes more than one glyph of the sequence or has no colour picture of it.
  absl::StatusOr<at::Tensor> Draw(const std::vector<uint32_t>& code_points) const;

 private:
  struct Handles;
  EmojiFont(std::string path, std::unique_ptr<Handles> handles);

  std::string path_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace easel

#include "client/cli/half_blocks.h"

#include <array>
#include <optional>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

using Colour = std::array<uint8_t, 3>;

Colour At(const Image& image, int x, int y) {
  const uint8_t* pixel = image.rgb.data() + (static_cast<size_t>(y) * image.width + x) * 3;
  return {pixel[0], pixel[1], pixel[2]};
}

std::string Select(int layer, const Colour& colour) {
  return absl::StrCat("\x1b[", layer, ";2;", colour[0], ";", colour[1], ";", colour[2], "m");
}

}  // namespace

std::vector<std::string> HalfBlocks(const Image& image) {
  std::vector<std::string> lines;
  for (int y = 0; y < image.height; y += 2) {
    std::string line;
    std::optional<Colour> above, below;  // as selected so far
    for (int x = 0; x < image.width; ++x) {
      if (const Colour colour = At(image, x, y); above != colour)
        absl::StrAppend(&line, Select(38, *(above = colour)));
      if (y + 1 < image.height) {
        if (const Colour colour = At(image, x, y + 1); below != colour) {
          absl::StrAppend(&line, Select(48, *(below = colour)));
        }
      }
      line += "▀";
    }
    lines.push_back(line + "\x1b[0m");
  }
  return lines;
}

}  // namespace easel

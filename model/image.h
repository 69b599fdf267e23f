// A finished picture on the host.
#pragma once

#include <cstdint>
#include <vector>

namespace easel {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // height × width × 3, rows top to bottom
};

}  // namespace easel

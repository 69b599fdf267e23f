// Pictures side by side in one PNG file, to look at.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace easel {

// Pixels (3, H, W) in [-1, 1], all of one size, `columns` a row, a white gap between.
absl::Status WritePictureGrid(const std::string& path, const std::vector<at::Tensor>& pictures, int columns);

}  // namespace easel

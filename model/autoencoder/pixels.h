// The last step: a decoded tensor as 8-bit RGB.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "model/image.h"

namespace easel {

// Pixels (3, H, W) of any floating dtype and device, [-1, 1] clamped → a picture on the host. Rounds to
// nearest, ties to even, as diffusers does. Internal if a pixel is not finite: a NaN must not pass as black.
absl::StatusOr<Image> ToImage(const at::Tensor& pixels);

}  // namespace easel

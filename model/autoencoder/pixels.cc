#include "model/autoencoder/pixels.h"

#include <ATen/ATen.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace easel {

absl::StatusOr<Image> ToImage(const at::Tensor& pixels) {
  const at::Tensor x = pixels.to(at::kFloat);
  const int64_t bad = x.numel() - at::isfinite(x).sum().item<int64_t>();
  if (bad > 0) {
    return absl::InternalError(
        absl::StrCat("picture has ", bad, " of ", x.numel(), " values that are not finite"));
  }
  const at::Tensor levels = at::round((x / 2 + 0.5).clamp(0, 1) * 255);                   // (3, H, W)
  const at::Tensor rgb = levels.permute({1, 2, 0}).to(at::kCPU, at::kByte).contiguous();  // (H, W, 3)
  Image image;
  image.height = static_cast<int>(rgb.size(0));
  image.width = static_cast<int>(rgb.size(1));
  image.rgb.assign(rgb.data_ptr<uint8_t>(), rgb.data_ptr<uint8_t>() + rgb.numel());
  return image;
}

}  // namespace easel

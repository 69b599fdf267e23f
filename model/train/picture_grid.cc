#include "model/train/picture_grid.h"

#include <ATen/ATen.h>
#include <png.h>

namespace easel {

absl::Status WritePictureGrid(const std::string& path, const std::vector<at::Tensor>& pictures, int columns) {
  if (pictures.empty()) return absl::InvalidArgumentError("no pictures for " + path);
  constexpr int kGap = 4;
  const int64_t h = pictures[0].size(1) + kGap, w = pictures[0].size(2) + kGap;
  const int64_t rows = (static_cast<int64_t>(pictures.size()) + columns - 1) / columns;
  at::Tensor sheet = at::full({rows * h, columns * w, 3}, 255, at::kByte);
  for (size_t i = 0; i < pictures.size(); ++i) {
    at::Tensor bytes = ((pictures[i].to(at::kCPU, at::kFloat) / 2 + 0.5).clamp(0, 1) * 255).round().to(at::kByte);
    sheet.narrow(0, i / columns * h, h - kGap).narrow(1, i % columns * w, w - kGap).copy_(bytes.permute({1, 2, 0}));
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = sheet.size(1);
  image.height = sheet.size(0);
  image.format = PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&image, path.c_str(), 0, sheet.data_ptr(), 0, nullptr)) {
    return absl::UnavailableError(path + ": " + image.message);
  }
  return absl::OkStatus();
}

}  // namespace easel

#include "model/autoencoder/latent_preview.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "model/autoencoder/pixels.h"

namespace easel {

absl::StatusOr<std::optional<LatentPreview>> LatentPreview::FromConfig(JsonObject& config,
                                                                       int64_t latent_channels) {
  constexpr char kFactors[] = "latent_rgb_factors";
  constexpr char kBias[] = "latent_rgb_bias";
  if (!config.Has(kFactors)) return std::nullopt;
  const std::vector<std::vector<double>> rows = config.Rows(kFactors);
  const std::vector<double> bias = config.Numbers(kBias, std::vector<double>{0.0, 0.0, 0.0});
  std::vector<double> flat;
  bool shape_ok = static_cast<int64_t>(rows.size()) == latent_channels;
  for (const std::vector<double>& row : rows) {
    shape_ok = shape_ok && row.size() == 3;
    flat.insert(flat.end(), row.begin(), row.end());
  }
  if (!shape_ok) {
    config.Fail(kFactors,
                "must have " + std::to_string(latent_channels) + " rows (the latent channels) of 3 numbers");
  }
  if (bias.size() != 3) config.Fail(kBias, "must have 3 numbers");
  if (!config.status().ok()) return config.status();
  return LatentPreview(at::tensor(flat, at::kFloat).view({latent_channels, 3}), at::tensor(bias, at::kFloat));
}

LatentPreview LatentPreview::Fit(const at::Tensor& latents, const at::Tensor& pixels) {
  const int64_t channels = latents.size(1);
  const at::Tensor cells =
      at::adaptive_avg_pool2d(pixels.to(at::kCPU, at::kDouble), {latents.size(2), latents.size(3)});
  const at::Tensor y = cells.permute({0, 2, 3, 1}).reshape({-1, 3});  // (Nhw, 3)
  const at::Tensor x =
      latents.to(at::kCPU, at::kDouble).permute({0, 2, 3, 1}).reshape({-1, channels});  // (Nhw, C)
  const at::Tensor ones = at::ones({x.size(0), 1}, x.options());
  const at::Tensor map =
      std::get<0>(at::linalg_lstsq(at::cat({x, ones}, 1), y)).to(at::kFloat);  // (C + 1, 3)
  return LatentPreview(map.narrow(0, 0, channels).contiguous(), map.select(0, channels).contiguous());
}

absl::StatusOr<Image> LatentPreview::Draw(const at::Tensor& latent) const {
  const at::Tensor x = latent.to(at::kCPU, at::kFloat).flatten(1).transpose(0, 1);        // (hw, C)
  const at::Tensor rgb = (at::matmul(x, factors_) + bias_).transpose(0, 1).contiguous();  // (3, hw)
  return ToImage(rgb.view({3, latent.size(1), latent.size(2)}));
}

}  // namespace easel

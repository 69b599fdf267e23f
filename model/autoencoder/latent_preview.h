// What a latent will look like, without the decoder: each latent position becomes one pixel by a linear map.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "model/image.h"
#include "model/io/json.h"

namespace easel {

// Immutable; may be used from several threads at once.
class LatentPreview {
 public:
  // From the keys latent_rgb_factors (a row of three for each of the `latent_channels`) and latent_rgb_bias
  // (three; zeros when absent) of the autoencoder's config.json. Nothing when the file has no factors; an
  // error names the key of another shape.
  static absl::StatusOr<std::optional<LatentPreview>> FromConfig(JsonObject& config, int64_t latent_channels);
  // The map of least squared error from latents (N, C, h, w) to pixels (N, 3, H, W), each h × w cell of them
  // averaged.
  static LatentPreview Fit(const at::Tensor& latents, const at::Tensor& pixels);

  // A latent (C, h, w), scaled as the transformer wants it, on any device → h × w pixels. Internal if it is
  // not finite.
  absl::StatusOr<Image> Draw(const at::Tensor& latent) const;

  const at::Tensor& factors() const { return factors_; }  // (C, 3) float on the CPU
  const at::Tensor& bias() const { return bias_; }        // (3)

 private:
  LatentPreview(at::Tensor factors, at::Tensor bias) : factors_(std::move(factors)), bias_(std::move(bias)) {}

  at::Tensor factors_;
  at::Tensor bias_;
};

}  // namespace easel

// Latents ↔ pixels.
#pragma once

#include <ATen/core/Tensor.h>

namespace easel {

// Immutable once built; may be called from several threads at once. Spreads what it can (nn/spread.h): a picture has the same bits
// on any number of threads, where each uses one intra-op thread.
class Autoencoder {
 public:
  virtual ~Autoencoder() = default;
  // Pixels (B, 3, H, W) in [-1, 1] → the mean latent (B, C, h, w), scaled as the transformer wants it.
  virtual at::Tensor Encode(const at::Tensor& pixels) const = 0;
  // Latent (B, C, h, w) as the transformer gives it → pixels (B, 3, H, W), about [-1, 1], not clamped.
  virtual at::Tensor Decode(const at::Tensor& latent) const = 0;
  virtual int64_t latent_channels() const = 0;
  virtual int64_t downscale() const = 0;  // H / h
};

}  // namespace easel

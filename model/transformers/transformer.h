// The denoising network behind one interface; patches, positions and embeddings are each family's own affair.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/conditioning/conditioning.h"

namespace easel {

// Immutable once built; Forward may be called from several threads at once.
class Transformer {
 public:
  virtual ~Transformer() = default;
  // latent (B, C, H, W), time (B) in the family's own units, conditioning of B rows → prediction (B, C, H, W).
  // Row b depends on row b of the inputs alone.
  virtual at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time, const Conditioning& conditioning) const = 0;
};

}  // namespace easel

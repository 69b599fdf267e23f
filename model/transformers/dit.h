// DiT, "Scalable Diffusion Models with Transformers": classes as adaLN-zero. diffusers' DiTTransformer2DModel
// (models/transformers/dit_transformer_2d.py), which published repositories also call Transformer2DModel.
//
//   latent ─ patches ─ + positions ─► blocks of self-attention, MLP ─► norm ─ linear ─ patches back ─► noise
//   time, class ─ an embedder of each block's own ─► shift, scale and gate of its two parts
//
// The network predicts noise and a variance; Forward returns the noise alone. DiTPipeline cuts the variance
// off after guidance. To cut it off before is the same: guidance combines each channel with itself, and there
// too the noise alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/nn/weights.h"
#include "model/transformers/transformer.h"
#include "model/transformers/transformer_2d.h"

namespace easel {

struct DiTParams : Transformer2DParams {
  DiTParams() : Transformer2DParams{.sample_size = 32, .norm_eps = 1e-5} {}

  int64_t num_embeds_ada_norm = 1000;  // classes; this number itself is the null class

  // config.json's keys are these fields' names, of either class name. An error names file and key.
  static absl::StatusOr<DiTParams> FromConfig(JsonObject& config);
};

class DiT : public Transformer {
 public:
  DiT(const DiTParams& params, const Weights& weights);
  ~DiT() override;

  // latent (B, C, H, W) of any size that is a multiple of patch_size, though the reference takes squares
  // alone; time (B) in diffusers' steps, 0 … 999, 999 is noise. Of the conditioning it needs `label`.
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override;
  const DiTParams& params() const { return params_; }

 private:
  struct Network;

  const DiTParams params_;
  std::unique_ptr<const Network> network_;
};

}  // namespace easel

// FLUX.1, schnell and dev. diffusers' FluxTransformer2DModel (models/transformers/transformer_flux.py).
//
//   latent ─ 2×2 patches ─ x_embedder ─► image ┐
//                                              ├ [ joint block ] × num_layers ─► both as one stream ┐
//   text ─ context_embedder ───────────► text  ┘                                                    │
//   time, pooled text, guidance ─ time_text_embed ─► condition of every norm and gate               │
//   velocity ◄─ patches back ─ proj_out ─ norm_out ─ image ◄─ [ single block ] × num_single_layers ◄┘
//
// Positions are rotary, along three axes that share a head's numbers: an image token stands at (0, row,
// column), every text token at (0, 0, 0). Every token of the text is attended to, padding too: the text is as
// long as in training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/nn/weights.h"
#include "model/transformers/transformer.h"

namespace easel {

struct FluxParams {
  int64_t in_channels = 64;  // of a token: 4C, for the 2×2 patches of a latent with C channels
  int64_t num_layers = 19;
  int64_t num_single_layers = 38;
  int64_t attention_head_dim = 128;
  int64_t num_attention_heads = 24;
  int64_t joint_attention_dim = 4096;   // of the text
  int64_t pooled_projection_dim = 768;  // of the pooled text
  bool guidance_embeds = false;
  std::vector<int64_t> axes_dims_rope = {16, 56, 56};

  int64_t dim() const { return num_attention_heads * attention_head_dim; }  // D

  // config.json's keys are these fields' names; absent ones have the class's defaults. An error names file
  // and key. Refused: out_channels other than in_channels (the variants that take an image as well), a
  // patch_size other than 1.
  static absl::StatusOr<FluxParams> FromConfig(JsonObject& config);
};

class Flux : public Transformer {
 public:
  // The most of a latent's height and width: 16384 pixels.
  static constexpr int64_t kMaxSide = 2048;

  Flux(const FluxParams& params, const Weights& weights);
  ~Flux() override;

  // latent (B, in_channels / 4, H, W), its sides even and at most kMaxSide, else throws; time (B) in [0, 1],
  // 1 is noise. Of the conditioning it needs `text` (B, L, joint_attention_dim) and `pooled`
  // (B, pooled_projection_dim) in the weights' dtype, and where guidance_embeds `guidance`.
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override;
  const FluxParams& params() const { return params_; }

 private:
  struct Network;

  const FluxParams params_;
  std::unique_ptr<const Network> network_;
};

}  // namespace easel

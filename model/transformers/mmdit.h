// MMDiT, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis": the network of Stable
// Diffusion 3 and 3.5. diffusers' SD3Transformer2DModel (models/transformers/transformer_sd3.py).
//
//   latent ─ patches ─ + positions ─► image ┐
//                                           ├ [ joint block ] × num_layers ─► image ─ norm_out ┐
//   text ─ context_embedder ────────► text  ┘                                                  │
//   time, pooled text ─ time_text_embed ─► condition of every norm and gate                    │
//   velocity ◄─ patches back ─ proj_out ◄──────────────────────────────────────────────────────┘
//
// Every token of the text is attended to, padding too: the text is as long as in training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/nn/weights.h"
#include "model/transformers/joint_blocks.h"
#include "model/transformers/transformer.h"

namespace easel {

struct MMDiTParams {
  int64_t sample_size = 128;  // of the latents that a pipeline makes unasked; the network takes others too
  int64_t patch_size = 2;
  int64_t in_channels = 16;  // C, also of the prediction
  int64_t num_layers = 18;
  int64_t attention_head_dim = 64;
  int64_t num_attention_heads = 18;
  int64_t joint_attention_dim = 4096;    // of the text
  int64_t pooled_projection_dim = 2048;  // of the pooled text
  int64_t pos_embed_max_size = 96;       // the most patches along a side
  std::vector<int64_t> dual_attention_layers;
  QkNorm qk_norm = QkNorm::kNone;

  int64_t dim() const { return num_attention_heads * attention_head_dim; }  // D

  // config.json's keys are these fields' names; absent ones have the class's defaults. An error names file
  // and key. Refused: out_channels other than in_channels, caption_projection_dim other than D, a
  // pos_embed_max_size of null, a qk_norm other than null and "rms_norm".
  static absl::StatusOr<MMDiTParams> FromConfig(JsonObject& config);
};

class MMDiT : public Transformer {
 public:
  MMDiT(const MMDiTParams& params, const Weights& weights);
  ~MMDiT() override;

  // latent (B, C, H, W), its sides multiples of patch_size and at most pos_embed_max_size patches, else
  // throws; time (B) in 0 … 1000, 1000 is noise. Of the conditioning it needs `text`
  // (B, L, joint_attention_dim) and `pooled` (B, pooled_projection_dim) in the weights' dtype.
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override;
  const MMDiTParams& params() const { return params_; }

 private:
  struct Network;

  const MMDiTParams params_;
  std::unique_ptr<const Network> network_;
};

}  // namespace easel

// PixArt-α and PixArt-Σ: text by cross-attention, one adaLN for all blocks. diffusers'
// PixArtTransformer2DModel (models/transformers/pixart_transformer_2d.py), which published repositories also
// call Transformer2DModel.
//
//   latent ─ patches ─ + positions ─► blocks of self-attention, cross-attention, MLP
//                                       ─► norm ─ linear ─ patches back ─► noise
//   time (and size) ─ adaln_single ─► + a table of each block's own: shift, scale and gate of its
//                                       self-attention and MLP
//   text ─ caption_projection ─► keys and values of every cross-attention
//
// The network predicts noise and a variance; Forward returns the noise alone. PixArt's pipelines cut the
// variance off after guidance; to cut it off before is the same, for guidance combines each channel with
// itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/nn/weights.h"
#include "model/transformers/transformer.h"
#include "model/transformers/transformer_2d.h"

namespace easel {

struct PixArtParams : Transformer2DParams {
  PixArtParams() : Transformer2DParams{.out_channels = 8, .sample_size = 128, .norm_eps = 1e-6} {}

  int64_t caption_channels = 4096;  // of the text
  double interpolation_scale = 2;   // absent or null: sample_size / 64, at least 1
  // Whether it is told the size and shape of the picture. Absent or null: when sample_size is 128.
  bool use_additional_conditions = true;
  int64_t pixels_per_latent = 8;  // of the pipeline's autoencoder, in each direction; not in the config

  // config.json's keys are these fields' names, of either class name. An error names file and key.
  static absl::StatusOr<PixArtParams> FromConfig(JsonObject& config);
};

// Tensors of published checkpoints that only training used, which the class's own loader ignores too.
inline constexpr std::array<std::string_view, 1> kPixArtIgnoredTensors = {"caption_projection.y_embedding"};

class PixArt : public Transformer {
 public:
  PixArt(const PixArtParams& params, const Weights& weights);
  ~PixArt() override;

  // latent (B, C, H, W) of any size that is a multiple of patch_size; time (B) in diffusers' steps, 0 … 999,
  // 999 is noise. Of the conditioning it needs `text` (B, L, caption_channels) and, where there is padding,
  // `text_mask`. A row whose mask is all false attends to all of its text, as in the reference.
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override;
  const PixArtParams& params() const { return params_; }

 private:
  struct Network;

  const PixArtParams params_;
  std::unique_ptr<const Network> network_;
};

}  // namespace easel

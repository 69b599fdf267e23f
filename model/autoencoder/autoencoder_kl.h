// The convolutional variational autoencoder of Stable Diffusion, SD3 and FLUX, under diffusers' config keys
// and tensor names (class AutoencoderKL). Also the network that easel-train trains: built from initial
// values, it is differentiable.
//
//   pixels (3, H, W) ─► n levels of resnets, halved between levels ─► mean, log variance (2C, H/2ⁿ⁻¹, W/2ⁿ⁻¹)
//   latent (C, h, w) ─► the same in reverse, doubled between levels ─► pixels (3, H, W)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/autoencoder/autoencoder.h"
#include "model/io/json.h"
#include "model/nn/weights.h"

namespace easel {

// Pictures of more pixels are encoded and decoded in tiles. Up to here they are so as a whole, as diffusers does by
// default: it is the size of the largest pictures that published families are trained for (2048 × 2048). There the
// widest activation of their decoders (256 channels) takes 4 GiB in float32, and three are alive at once; beyond,
// memory counts for more than tiles that know nothing of one another.
inline constexpr int64_t kMaxWholePixels = int64_t{2048} * 2048;

struct AutoencoderKLParams {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  std::vector<int64_t> block_out_channels = {64};  // a level each, from the pixels' side
  int64_t layers_per_block = 1;                    // resnets a level; the decoder has one more
  int64_t latent_channels = 4;
  int64_t norm_num_groups = 32;
  double scaling_factor = 0.18215;
  double shift_factor = 0.0;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;
  int64_t sample_size = 32;  // pixels on a side of a tile, where a picture is cut into tiles
  int64_t max_whole_pixels = kMaxWholePixels;  // not a config's key

  // Keys that are absent take diffusers' defaults. An error names the key of a value that this network cannot
  // follow: block types other than DownEncoderBlock2D and UpDecoderBlock2D, an activation other than SiLU,
  // statistics of the latent (latents_mean, latents_std), pictures that are not RGB, channels that the groups
  // do not divide. `force_upcast` changes nothing here: of diffusers' pipelines only SDXL's read it.
  static absl::StatusOr<AutoencoderKLParams> FromConfig(JsonObject& config);
};

// Keeps the memory format of its input where nothing is packed: channels-last pixels stay so throughout. On the CPU in
// float32 the decoder's convolutions are packed (nn/packed_convolution.h) and its pixels come out channels-last.
class AutoencoderKL : public Autoencoder {
 public:
  AutoencoderKL(const AutoencoderKLParams& params, const Weights& weights);
  ~AutoencoderKL() override;

  // Both in tiles where the picture has more than max_whole_pixels and tiles are possible, else as a whole.
  at::Tensor Encode(const at::Tensor& pixels) const override;  // (mean - shift) * scaling
  at::Tensor Decode(const at::Tensor& latent) const override;
  int64_t latent_channels() const override { return params_.latent_channels; }
  int64_t downscale() const override { return int64_t{1} << (params_.block_out_channels.size() - 1); }

  // Pixels (B, 3, H, W) → (B, 2C, h, w): the posterior's mean, then its log variance; neither scaled nor
  // clamped.
  at::Tensor Moments(const at::Tensor& pixels) const;

  // The same as Moments and Decode, in tiles whatever the size: diffusers' results after enable_tiling(), where
  // the picture is larger than a tile. A tile has sample_size pixels on a side.
  // REQUIRES: tiles_possible().
  at::Tensor TiledMoments(const at::Tensor& pixels) const;
  at::Tensor TiledDecode(const at::Tensor& latent) const;
  // sample_size is a multiple of 4 · downscale(), as it is in every published config; of other tiles, those of
  // pixels and of latent do not fit on one another.
  bool tiles_possible() const { return params_.sample_size % (4 * downscale()) == 0; }

 private:
  struct Encoder;
  struct Decoder;

  const AutoencoderKLParams params_;
  std::unique_ptr<const Encoder> encoder_;
  std::unique_ptr<const Decoder> decoder_;
};

}  // namespace easel

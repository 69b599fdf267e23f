// The two autoencoders of the book's text_to_image package, under its constructors' argument names and its
// state dict's tensor names. Both keep `scale_factor` in the checkpoint: latents are divided by it, so that
// their deviation is about 1.
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

// Class `VAE`.
struct BookVaeParams {
  int64_t latent_channels = 4;
  int64_t base_channels = 64;
  std::vector<int64_t> channel_multipliers = {1, 2, 4, 4};  // a level each, from the pixels' side
  int64_t num_res_blocks = 2;                               // a level; the decoder has one more
  // Levels with attention, by resolution, counted as if every picture had 64 × 64 pixels.
  std::vector<int64_t> attention_resolutions = {8};

  // Absent keys take the constructor's defaults. An error names the key: in_channels other than 3 (pictures
  // are RGB), channels that the 32 groups of the norms do not divide.
  static absl::StatusOr<BookVaeParams> FromConfig(JsonObject& config);
};

class BookVae : public Autoencoder {
 public:
  BookVae(const BookVaeParams& params, const Weights& weights);
  ~BookVae() override;

  at::Tensor Encode(const at::Tensor& pixels) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  int64_t latent_channels() const override { return params_.latent_channels; }
  int64_t downscale() const override { return int64_t{1} << (params_.channel_multipliers.size() - 1); }

 private:
  struct Encoder;
  struct Decoder;

  const BookVaeParams params_;
  std::unique_ptr<const Encoder> encoder_;
  std::unique_ptr<const Decoder> decoder_;
  const at::Tensor scale_factor_;  // ()
};

// Class `SmallVAE`.
struct BookSmallVaeParams {
  int64_t latent_channels = 4;
  int64_t hidden_channels = 64;

  // As above.
  static absl::StatusOr<BookSmallVaeParams> FromConfig(JsonObject& config);
};

class BookSmallVae : public Autoencoder {
 public:
  BookSmallVae(const BookSmallVaeParams& params, const Weights& weights);
  ~BookSmallVae() override;

  at::Tensor Encode(const at::Tensor& pixels) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  int64_t latent_channels() const override { return params_.latent_channels; }
  int64_t downscale() const override { return 4; }

 private:
  struct Encoder;
  struct Decoder;

  const BookSmallVaeParams params_;
  std::unique_ptr<const Encoder> encoder_;
  std::unique_ptr<const Decoder> decoder_;
  const at::Tensor scale_factor_;  // ()
};

}  // namespace easel

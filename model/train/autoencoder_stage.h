// First stage of training: the AutoencoderKL, then its latents brought to mean 0 and variance 1 a channel.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "absl/status/status.h"
#include "model/autoencoder/autoencoder_kl.h"
#include "model/train/emoji_dataset.h"

namespace easel {

struct AutoencoderStageOptions {
  std::string work;  // directory of the run's state
  std::string out;   // model directory; writes out/vae
  c10::Device device = c10::Device(c10::kCPU);
  bool bfloat16 = true;
  int threads = 1;   // CPU threads
  int64_t steps = 1650;
  int64_t batch = 24;
  double rate = 2e-3;
  double kl_weight = 1e-4;  // ten times more greys the rarer hues
  int64_t save_every = 500;
  uint64_t seed = 1;
};

// Goes on from the state in `work`, if there is one. Writes out/vae (float16) and out/../*.png grids in `work`.
absl::Status TrainAutoencoder(const EmojiDataset& dataset, const AutoencoderStageOptions& options);

// Mean of the pictures' peak signal-to-noise ratios after Encode and Decode, in dB; pixels in [0, 1].
double ReconstructionPsnr(const Autoencoder& autoencoder, const at::Tensor& pictures);

// All pictures of the data set: (N, 3, 64, 64) float32 in [-1, 1].
at::Tensor AllPixels(const EmojiDataset& dataset, c10::Device device);

}  // namespace easel

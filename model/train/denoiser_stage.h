// Second stage of training: text encoder and EaselDiT together, on the latents of the first stage's autoencoder.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "absl/status/status.h"
#include "model/train/emoji_dataset.h"

namespace easel {

struct DenoiserStageOptions {
  std::string work;  // directory of the run's state
  std::string out;   // model directory; out/vae must be there
  std::string from;  // model directory whose weights a new run starts with; empty: from initial values
  c10::Device device = c10::Device(c10::kCPU);
  bool bfloat16 = true;
  int threads = 1;   // CPU threads
  int64_t steps = 3000;
  int64_t batch = 128;
  double adam_rate = 1e-3, muon_rate = 2e-3;
  double decay_share = 0.4;      // of the steps, at the end, over which the rate falls to 0
  double time_mean = 0.4;        // t = sigmoid(N(time_mean, 1)): above 0 leans to the noisy end, where the choice of picture is made
  int64_t save_every = 100;
  int64_t grid_every = 500;      // sample grid, quick evaluation and export
  uint64_t seed = 1;
};

// Goes on from the state in `work`, if there is one. Writes the model directory at every grid and at the end.
absl::Status TrainDenoiser(const EmojiDataset& dataset, const DenoiserStageOptions& options);

}  // namespace easel

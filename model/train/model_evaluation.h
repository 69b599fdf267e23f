// `easel-train evaluate`: a finished model directory, drawn from as the server draws, against the pictures it learnt from.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "model/train/emoji_dataset.h"

namespace easel {

struct ModelEvaluationOptions {
  std::string model;    // model directory
  std::string grids;    // directory for names.png, classes.png, unconditional.png, unseen.png; empty: none
  int names = 200;
  int per_class = 4;
  int unconditional = 100;
  int threads = 1;
};

// Prints: the autoencoder's PSNR, the shares of names and of class requests whose nearest picture is right, and how many unconditional
// pictures are clean. Every picture is made by Pipeline::Generate at the model's defaults.
absl::Status EvaluateModel(const EmojiDataset& dataset, const ModelEvaluationOptions& options);

}  // namespace easel

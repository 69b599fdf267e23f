// What a training run keeps in its working directory, so that it goes on after any kill: one safetensors file a stage,
// written beside the old one and renamed.
#pragma once

#include <string>

#include "model/train/optimizer.h"
#include "model/train/trainable_weights.h"

namespace easel {

// Averages of the parameters over steps: ema ← d·ema + (1 − d)·parameter, where d rises to `decay` with the steps, so that the
// initial values are soon forgotten.
class Ema {
 public:
  Ema(const NamedTensors& parameters, double decay);
  void Update(int64_t step);
  const NamedTensors& averages() const { return averages_; }

 private:
  NamedTensors parameters_, averages_;
  double decay_;
};

// Parameters, averages, optimizer state and its step count in `path`.
absl::Status SaveRun(const std::string& path, const TrainableWeights& weights, const Ema& ema, const Optimizer& optimizer);
// NotFound when there is no file yet.
absl::Status LoadRun(const std::string& path, const TrainableWeights& weights, const Ema& ema, Optimizer& optimizer);

// 1 after `warmup` steps, and from the last `decay` share of `total` down to 0 in a straight line.
double RateAt(int64_t step, int64_t total, int64_t warmup, double decay);

// The pictures of a step: `batch` indices of `count`, from one seeded shuffle after another, so that a step is the same after
// a restart.
std::vector<int64_t> BatchIndices(int64_t step, int64_t batch, int64_t count, uint64_t seed);

}  // namespace easel

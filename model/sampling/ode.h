// The differential equation in the noise level σ that Euler's and Heun's methods integrate:
//
//   flows: x = (1 − σ)·data + σ·noise   dx/dσ = noise − data   the network sees x
//   betas: x = data + σ·noise           dx/dσ = noise          the network sees x / √(σ² + 1)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <string_view>

#include "model/sampling/sampler.h"

namespace easel {

// Immutable.
class Ode {
 public:
  // `sampler` is which reading of a schedule of betas is meant: "euler" or "heun".
  Ode(std::string_view sampler, const SamplerOptions& options, TimeGrid grid);

  int steps() const { return static_cast<int>(grid_.times.size()); }
  at::Tensor Start(const at::Tensor& noise) const;              // x at level 0
  ModelInput InputAt(size_t level, const at::Tensor& x) const;  // REQUIRES: level < steps()
  float StepTo(size_t level) const { return grid_.sigmas[level] - grid_.sigmas[level - 1]; }

  struct Evaluation {
    at::Tensor denoised;    // the data
    at::Tensor derivative;  // dx/dσ
  };
  // What the network's prediction at x implies. REQUIRES: level < steps()
  Evaluation Evaluate(size_t level, const at::Tensor& x, const at::Tensor& prediction) const;

 private:
  const SamplerOptions options_;
  const TimeGrid grid_;
  const bool scaled_;   // the network sees x / √(σ² + 1)
  BetaSchedule betas_;  // where scaled_
  bool derivative_from_denoised_;
};

}  // namespace easel

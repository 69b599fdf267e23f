// The variance-preserving path x = √ᾱ·data + √(1 − ᾱ)·noise of a DDPM, trained at integer timesteps, and the
// noise levels σ = √(1 − ᾱ) / √ᾱ that diffusers' samplers visit on it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <optional>

#include "model/sampling/time_grid.h"

namespace easel {

enum class BetaCurve { kLinear, kScaledLinear, kSquaredCosine };

// betas → ᾱ = cumprod(1 − beta): (num_train_timesteps) float32 on the CPU. The ends count for the first two
// curves alone.
at::Tensor AlphasCumprod(BetaCurve curve, double beta_start, double beta_end, int64_t num_train_timesteps);

enum class TimestepSpacing { kLinspace, kLeading, kTrailing };

// As one sampler reads it: what is left of a file after the defaults of that sampler's class.
struct BetaSchedule {
  at::Tensor alphas_cumprod;
  TimestepSpacing spacing = TimestepSpacing::kLinspace;
  int64_t steps_offset = 0;                 // kLeading: added to each timestep
  bool use_karras_sigmas = false;           // euler, heun, dpmpp_2m
  std::optional<double> clip_sample_range;  // ddim, heun: the predicted data is clamped to ± this
  bool set_alpha_to_one = true;             // ddim: after the last step ᾱ is 1, else that of timestep 0
  // dpmpp_2m: timesteps of a log(√ᾱ / √(1 − ᾱ)) below this are not visited
  double lambda_min_clipped = -std::numeric_limits<double>::infinity();
  bool round_karras_times = true;  // dpmpp_2m: to the nearest timestep, else cut

  int64_t num_train_timesteps() const { return alphas_cumprod.numel(); }
  // How many timesteps lambda_min_clipped leaves.
  int64_t LastTimestep() const;
};

// EulerDiscreteScheduler and HeunDiscreteScheduler: times are timesteps, not always integers.
TimeGrid EulerGrid(const BetaSchedule& schedule, int steps);
// DDIMScheduler: times are integers.
TimeGrid DdimGrid(const BetaSchedule& schedule, int steps);
// DPMSolverMultistepScheduler: times are integers; with a clipped lambda and trailing spacing there may be
// fewer steps.
TimeGrid DpmSolverGrid(const BetaSchedule& schedule, int steps);

}  // namespace easel

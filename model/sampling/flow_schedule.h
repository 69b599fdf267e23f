// The linear path x = (1 − σ)·data + σ·noise with the noise levels of diffusers' flow schedulers
// (FlowMatchEulerDiscreteScheduler; DPMSolverMultistepScheduler with use_flow_sigmas).
#pragma once

#include <cstdint>
#include <optional>

#include "model/sampling/time_grid.h"

namespace easel {

// What a family's pipeline decides, and its files do not say.
struct FlowConvention {
  // The levels before the shift. False: evenly spaced between the largest and the smallest trained level,
  // both already shifted once (StableDiffusion3Pipeline). True: linspace(1, 1/n, n), which FluxPipeline
  // passes.
  bool levels_end_at_one_nth = false;
  double time_divisor = 1;  // the network's t is the timestep divided by this: FLUX 1000, SD3 1
  int64_t patch_size = 2;   // of the latent; how many tokens there are decides the dynamic shift
};

// use_dynamic_shifting: the shift follows from the count of tokens (calculate_shift of FluxPipeline).
struct DynamicShift {
  double base_shift = 0.5;
  double max_shift = 1.15;
  int64_t base_image_seq_len = 256;
  int64_t max_image_seq_len = 4096;
  bool exponential = true;  // time_shift_type; else linear

  double Mu(int64_t tokens) const;
};

struct FlowSchedule {
  int64_t num_train_timesteps = 1000;
  double shift = 1;                     // σ ← shift·σ / (1 + (shift − 1)·σ)
  std::optional<DynamicShift> dynamic;  // in place of `shift`
  FlowConvention convention;
};

// Levels and times in the precision in which diffusers computes them. Times are timesteps over time_divisor.
// REQUIRES: steps ≥ 1; for the second, dynamic shift only if exponential.
TimeGrid FlowEulerGrid(const FlowSchedule& schedule, int steps, int64_t tokens);
// Its timesteps are cut to integers.
TimeGrid FlowDpmSolverGrid(const FlowSchedule& schedule, int steps, int64_t tokens);

}  // namespace easel

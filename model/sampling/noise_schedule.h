// Which times a generation visits, and how noise and data mix at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/sampling/beta_schedule.h"
#include "model/sampling/flow_schedule.h"
#include "model/sampling/time_grid.h"

namespace easel {

enum class NoisePath {
  kEasel,  // x = (1 − t)·data + t·noise, visited at linspace(1, 0, steps + 1); the network's t is t
  kFlow,   // the same mixture, as diffusers' flow schedulers visit it
  kBetas,  // √ᾱ·data + √(1 − ᾱ)·noise of a DDPM
};

// Immutable, so that generations share it; what changes from step to step is the sampler's.
class NoiseSchedule {
 public:
  NoiseSchedule() = default;  // kEasel
  // kEasel. `shift`: a model's default; > 0.
  explicit NoiseSchedule(double shift) : shift_(shift) {}
  // `samplers`: of "euler", "heun" and those of DPM-Solver++ (sampler.cc), the default first.
  NoiseSchedule(FlowSchedule flow, std::vector<std::string> samplers);
  // Each sampler (of sampler.cc) with its own reading, the default first.
  explicit NoiseSchedule(std::vector<std::pair<std::string, BetaSchedule>> betas);

  NoisePath path() const;
  // Which samplers go with this schedule; the first is the default.
  const std::vector<std::string>& samplers() const { return samplers_; }
  // Whether Grid heeds its shift: not kBetas, and not a shift that follows from the size.
  bool takes_shift() const;
  double shift() const { return shift_; }
  // What `sampler` reads in a schedule of kBetas. REQUIRES: path() is kBetas, and samplers() has it
  const BetaSchedule& betas(std::string_view sampler) const;

  // The levels that `sampler` visits. `shift` is used in place of the schedule's own; height and width are
  // the latent's. REQUIRES: samplers() has `sampler`, steps ≥ 1, shift > 0. InvalidArgument naming
  // num_inference_steps where they are more than the schedule has levels.
  absl::StatusOr<TimeGrid> Grid(std::string_view sampler, int steps, double shift, int64_t height,
                                int64_t width) const;

  // The rest is kEasel's alone. steps + 1 times from 1 to 0: linspace(1, 0, steps + 1) in float32, each then
  // moved by the shift t ← shift·t / (1 + (shift − 1)·t) (SD3, https://arxiv.org/abs/2403.03206, eq. 23;
  // diffusers FlowMatchEulerDiscreteScheduler). REQUIRES: steps ≥ 1, shift > 0.
  std::vector<float> Times(int steps, double shift) const;
  double alpha(double t) const { return 1 - t; }  // weight of the data at t
  double sigma(double t) const { return t; }      // weight of the noise at t

 private:
  // As Grid; nothing where there are fewer levels.
  std::optional<TimeGrid> FindGrid(std::string_view sampler, int steps, double shift, int64_t height,
                                   int64_t width) const;

  double shift_ = 1;
  std::optional<FlowSchedule> flow_;
  std::vector<BetaSchedule> betas_;  // as samplers_ are
  std::vector<std::string> samplers_ = {"euler", "heun"};
};

}  // namespace easel

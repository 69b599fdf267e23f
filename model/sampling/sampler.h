// Carries one latent from noise to picture. The caller owns the loop, so that latents of many requests can
// share a forward.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/sampling/noise_schedule.h"
#include "model/sampling/prediction.h"

namespace easel {

// Where to evaluate the network next.
struct ModelInput {
  at::Tensor latent;  // (C, H, W) float32, as the network takes it: scaled, where the schedule asks for it
  float time = 0;     // the network's t
};

// One generation's integrator with its history. Thread-compatible; one owner. Never changes a tensor that it
// was given or has handed out.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual bool done() const = 0;
  virtual int step() const = 0;         // steps finished, of total_steps()
  virtual int total_steps() const = 0;  // steps, not evaluations: Heun evaluates twice a step
  virtual int total_evaluations() const = 0;
  virtual ModelInput Next() const = 0;                     // REQUIRES: !done()
  virtual void Advance(const at::Tensor& prediction) = 0;  // the guided prediction at Next(), (C, H, W)
  // The clean latent as guessed by the latest evaluation, for previews; the noise before the first. When
  // done: the result.
  virtual at::Tensor Denoised() const = 0;
};

struct SamplerOptions {
  PredictionKind prediction = PredictionKind::kVelocity;
  NoiseSchedule schedule = {};
  int steps = 1;     // ≥ 1
  double shift = 1;  // > 0; of the times, in place of the schedule's own where it takes one
  double eta = 0;    // 0 … 1; ddim alone: how much noise each step adds, 1 as much as DDPM
  // On the CPU, in the state after `noise` was drawn from it; needed where eta > 0, and of the samplers
  // whose names end in _sde. diffusers goes on with one generator too.
  at::Generator generator = {};
};

// `noise`: (C, H, W) float32, of unit variance. InvalidArgument naming the samplers that options.schedule
// has, for another name, or the field (num_inference_steps, eta) that cannot be.
absl::StatusOr<std::unique_ptr<Sampler>> MakeSampler(std::string_view name, const SamplerOptions& options,
                                                     at::Tensor noise);
// total_evaluations() of a sampler of this name, known before there is one.
int TotalEvaluations(std::string_view name, int steps);
// Those that the schedule has; the first is the default.
std::vector<std::string> SamplerNames(const NoiseSchedule& schedule = {});

}  // namespace easel

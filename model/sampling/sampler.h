// Carries one latent from noise to picture. The caller owns the loop, so that latents of many requests can
// share a forward.
#pragma once

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
  at::Tensor latent;  // (C, H, W) float32
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
  double shift = 1;  // > 0; of the times, in place of the schedule's own
};

// `noise`: (C, H, W) float32. InvalidArgument naming the samplers there are, for an unknown name.
absl::StatusOr<std::unique_ptr<Sampler>> MakeSampler(std::string_view name, const SamplerOptions& options,
                                                     at::Tensor noise);
const std::vector<std::string>& SamplerNames();  // the first is the default

}  // namespace easel

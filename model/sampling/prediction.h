// What a network predicts, and the conversions between those predictions at one time of the path x = alpha·data + sigma·noise.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/sampling/noise_schedule.h"

namespace easel {

enum class PredictionKind {
  kVelocity,  // dx/dt of the linear path: noise − data
  kEpsilon,   // the noise
};

// The clean latent that `prediction` implies at x. Same shape. kEpsilon REQUIRES alpha(t) > 0; at t = 1 the velocity form holds.
at::Tensor ToDenoised(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double t, const NoiseSchedule& schedule);
// The velocity that `prediction` implies at x, what Euler and Heun integrate. kEpsilon at t = 1 (alpha 0): the noise itself.
at::Tensor ToVelocity(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double t, const NoiseSchedule& schedule);

}  // namespace easel

// What a network predicts, and the conversions between those predictions at one time of the path
// x = alpha·data + sigma·noise.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/sampling/noise_schedule.h"

namespace easel {

enum class PredictionKind {
  kVelocity,  // dx/dt of the linear path: noise − data
  kEpsilon,   // the noise
  kV,         // alpha·noise − sigma·data, of a path with alpha² + sigma² = 1 (diffusers' v_prediction)
};

// The clean latent that `prediction`, made at x, implies. kVelocity: REQUIRES alpha = 1 − sigma, kEpsilon:
// alpha > 0, kV: alpha² + sigma² = 1.
at::Tensor ToDenoised(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double alpha,
                      double sigma);

// The next two are for Easel's path. Both take a prediction made at x and t, kVelocity or kEpsilon, and
// return a tensor of the same shape. At t = 1 nothing of the data is left in x, so that kEpsilon says nothing
// about it: the data is then taken to be x − noise (0, if the network is right), and the velocity to be the
// noise.

// The clean latent that `prediction` implies.
at::Tensor ToDenoised(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double t,
                      const NoiseSchedule& schedule);
// The velocity that `prediction` implies, which Euler and Heun integrate.
at::Tensor ToVelocity(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double t,
                      const NoiseSchedule& schedule);

}  // namespace easel

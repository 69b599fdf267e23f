#include "model/sampling/prediction.h"

#include <ATen/ATen.h>

namespace easel {

at::Tensor ToDenoised(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double alpha,
                      double sigma) {
  switch (kind) {
    case PredictionKind::kVelocity:
      return x - sigma * prediction;
    case PredictionKind::kEpsilon:
      return (x - sigma * prediction) / alpha;
    case PredictionKind::kV:
      break;
  }
  return alpha * x - sigma * prediction;
}

at::Tensor ToDenoised(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double t,
                      const NoiseSchedule& schedule) {
  // From velocity = noise − data and x = (1 − t)·data + t·noise.
  return x - t * ToVelocity(kind, prediction, x, t, schedule);
}

at::Tensor ToVelocity(PredictionKind kind, const at::Tensor& prediction, const at::Tensor& x, double t,
                      const NoiseSchedule& schedule) {
  if (kind == PredictionKind::kVelocity || schedule.alpha(t) == 0) return prediction;
  return prediction - (x - schedule.sigma(t) * prediction) / schedule.alpha(t);  // noise − data
}

}  // namespace easel

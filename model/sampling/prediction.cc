#include "model/sampling/prediction.h"

#include <ATen/ATen.h>

namespace easel {

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

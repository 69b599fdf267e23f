#include "model/sampling/noise_schedule.h"

#include <ATen/ATen.h>

namespace easel {

std::vector<float> NoiseSchedule::Times(int steps, double shift) const {
  at::Tensor t = at::linspace(1, 0, steps + 1, at::kFloat);
  if (shift != 1) t = shift * t / (1 + (shift - 1) * t);
  std::vector<float> times(t.const_data_ptr<float>(), t.const_data_ptr<float>() + steps + 1);
  times.front() = 1;  // exactly, whatever the shift's rounding
  return times;
}

}  // namespace easel

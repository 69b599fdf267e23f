// Which times a generation visits, and how noise and data mix at a time.
#pragma once

#include <vector>

namespace easel {

// The linear flow path: x_t = (1 − t)·data + t·noise, t from 1 (noise) to 0 (data).
class NoiseSchedule {
 public:
  NoiseSchedule() = default;
  // `shift`: a model's default for Times; > 0.
  explicit NoiseSchedule(double shift) : shift_(shift) {}

  // steps + 1 times from 1 to 0: linspace(1, 0, steps + 1) in float32, each then moved by the shift
  // t ← shift·t / (1 + (shift − 1)·t) (SD3, https://arxiv.org/abs/2403.03206, eq. 23; diffusers
  // FlowMatchEulerDiscreteScheduler). REQUIRES: steps ≥ 1, shift > 0.
  std::vector<float> Times(int steps, double shift) const;
  double shift() const { return shift_; }
  double alpha(double t) const { return 1 - t; }  // weight of the data at t
  double sigma(double t) const { return t; }      // weight of the noise at t

 private:
  double shift_ = 1;
};

}  // namespace easel

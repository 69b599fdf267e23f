#include "model/sampling/flow_schedule.h"

#include <cmath>

namespace easel {
namespace {

template <typename T>
T Shifted(double shift, T sigma) {
  return static_cast<T>(shift) * sigma / (1 + static_cast<T>(shift - 1) * sigma);
}

// FlowMatchEulerDiscreteScheduler.time_shift
template <typename T>
T DynamicallyShifted(const DynamicShift& dynamic, double mu, T sigma) {
  const T weight = static_cast<T>(dynamic.exponential ? std::exp(mu) : mu);
  return weight / (weight + (1 / sigma - 1));
}

// T: the precision of set_timesteps, float64 for levels of its own, float32 for those it is given.
template <typename T>
std::vector<float> ShiftedLevels(const FlowSchedule& schedule, const std::vector<double>& levels,
                                 int64_t tokens) {
  const double mu = schedule.dynamic ? schedule.dynamic->Mu(tokens) : 0;
  std::vector<float> sigmas;
  for (double level : levels) {
    const T sigma = static_cast<T>(level);
    sigmas.push_back(static_cast<float>(schedule.dynamic ? DynamicallyShifted(*schedule.dynamic, mu, sigma)
                                                         : Shifted(schedule.shift, sigma)));
  }
  return sigmas;
}

std::vector<double> TrainedLevels(const FlowSchedule& schedule, int steps) {
  const float count = static_cast<float>(schedule.num_train_timesteps);
  float most = 1, least = 1 / count;
  if (!schedule.dynamic) {
    most = Shifted(schedule.shift, most);
    least = Shifted(schedule.shift, least);
  }
  std::vector<double> levels =
      Linspace(most * static_cast<double>(count), least * static_cast<double>(count), steps);
  for (double& level : levels) level /= count;
  return levels;
}

float NetworkTime(const FlowSchedule& schedule, float timestep) {
  return timestep / static_cast<float>(schedule.convention.time_divisor);
}

}  // namespace

double DynamicShift::Mu(int64_t tokens) const {
  const double slope = (max_shift - base_shift) / static_cast<double>(max_image_seq_len - base_image_seq_len);
  return tokens * slope + (base_shift - slope * base_image_seq_len);
}

TimeGrid FlowEulerGrid(const FlowSchedule& schedule, int steps, int64_t tokens) {
  TimeGrid grid;
  if (schedule.convention.levels_end_at_one_nth) {
    grid.sigmas = ShiftedLevels<float>(schedule, Linspace(1, 1.0 / steps, steps), tokens);
  } else {
    grid.sigmas = ShiftedLevels<double>(schedule, TrainedLevels(schedule, steps), tokens);
  }
  for (float sigma : grid.sigmas) {
    grid.times.push_back(NetworkTime(schedule, sigma * static_cast<float>(schedule.num_train_timesteps)));
  }
  grid.sigmas.push_back(0);
  return grid;
}

TimeGrid FlowDpmSolverGrid(const FlowSchedule& schedule, int steps, int64_t tokens) {
  const double shift = schedule.dynamic ? std::exp(schedule.dynamic->Mu(tokens)) : schedule.shift;
  const std::vector<double> alphas = Linspace(1, 1.0 / schedule.num_train_timesteps, steps + 1);
  TimeGrid grid;
  for (int i = steps; i >= 1; --i) {
    const double sigma = Shifted(shift, 1 - alphas[i]);
    grid.sigmas.push_back(static_cast<float>(sigma));
    grid.times.push_back(NetworkTime(schedule, std::trunc(sigma * schedule.num_train_timesteps)));
  }
  grid.sigmas.push_back(0);
  return grid;
}

}  // namespace easel

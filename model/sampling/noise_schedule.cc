#include "model/sampling/noise_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace easel {
namespace {

bool IsDpmSolver(std::string_view sampler) { return sampler.starts_with("dpmpp_"); }

TimeGrid BetaGrid(std::string_view sampler, const BetaSchedule& betas, int steps) {
  if (sampler == "ddim") return DdimGrid(betas, steps);
  if (IsDpmSolver(sampler)) return DpmSolverGrid(betas, steps);
  return EulerGrid(betas, steps);
}

// Whether each step has a length.
bool Falls(const std::vector<float>& sigmas) {
  const auto rises = [](float a, float b) { return !(a > b); };
  return std::adjacent_find(sigmas.begin(), sigmas.end(), rises) == sigmas.end();
}

}  // namespace

NoiseSchedule::NoiseSchedule(FlowSchedule flow, std::vector<std::string> samplers)
    : shift_(flow.dynamic ? 1 : flow.shift), flow_(flow), samplers_(std::move(samplers)) {}

NoiseSchedule::NoiseSchedule(std::vector<std::pair<std::string, BetaSchedule>> betas) : samplers_() {
  for (auto& [sampler, schedule] : betas) {
    samplers_.push_back(std::move(sampler));
    betas_.push_back(std::move(schedule));
  }
}

NoisePath NoiseSchedule::path() const {
  if (flow_) return NoisePath::kFlow;
  return betas_.empty() ? NoisePath::kEasel : NoisePath::kBetas;
}

bool NoiseSchedule::takes_shift() const {
  return path() == NoisePath::kEasel || (path() == NoisePath::kFlow && !flow_->dynamic);
}

const BetaSchedule& NoiseSchedule::betas(std::string_view sampler) const {
  return betas_[std::find(samplers_.begin(), samplers_.end(), sampler) - samplers_.begin()];
}

absl::StatusOr<TimeGrid> NoiseSchedule::Grid(std::string_view sampler, int steps, double shift,
                                             int64_t height, int64_t width) const {
  std::optional<TimeGrid> grid = FindGrid(sampler, steps, shift, height, width);
  if (grid.has_value()) return *std::move(grid);
  int fits = 0, fails = steps;  // 0: none does
  while (fails - fits > 1) {
    const int middle = fits + (fails - fits) / 2;
    (FindGrid(sampler, middle, shift, height, width).has_value() ? fits : fails) = middle;
  }
  return absl::InvalidArgumentError(absl::StrCat("num_inference_steps: ", steps, " is not allowed; ",
                                                 std::string(sampler),
                                                 " finds fewer noise levels in this model's schedule",
                                                 fits > 0 ? absl::StrCat(", and takes ", fits) : ""));
}

std::optional<TimeGrid> NoiseSchedule::FindGrid(std::string_view sampler, int steps, double shift,
                                                int64_t height, int64_t width) const {
  TimeGrid grid;
  bool sound = true;
  switch (path()) {
    case NoisePath::kEasel:
      grid.sigmas = Times(steps, shift);
      grid.times.assign(grid.sigmas.begin(), grid.sigmas.end() - 1);
      return grid;
    case NoisePath::kFlow: {
      FlowSchedule flow = *flow_;
      flow.shift = shift;
      const int64_t patch = flow.convention.patch_size;
      const int64_t tokens = (height / patch) * (width / patch);
      grid =
          IsDpmSolver(sampler) ? FlowDpmSolverGrid(flow, steps, tokens) : FlowEulerGrid(flow, steps, tokens);
      break;
    }
    case NoisePath::kBetas: {
      const BetaSchedule& schedule = betas(sampler);
      sound = steps <= schedule.num_train_timesteps();
      if (sound) grid = BetaGrid(sampler, schedule, steps);
      sound = !grid.times.empty() && grid.times.front() < schedule.num_train_timesteps();
    }
  }
  if (sound && Falls(grid.sigmas)) return grid;
  return std::nullopt;
}

std::vector<float> NoiseSchedule::Times(int steps, double shift) const {
  at::Tensor t = at::linspace(1, 0, steps + 1, at::kFloat);
  if (shift != 1) t = shift * t / (1 + (shift - 1) * t);
  std::vector<float> times(t.const_data_ptr<float>(), t.const_data_ptr<float>() + steps + 1);
  times.front() = 1;  // exactly, whatever the shift's rounding
  return times;
}

}  // namespace easel

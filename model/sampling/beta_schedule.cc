#include "model/sampling/beta_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace easel {
namespace {

// (T) σ of every timestep, rising; the float32 values that numpy goes on with in float64.
std::vector<double> TrainedSigmas(const BetaSchedule& schedule) {
  const at::Tensor alphas = schedule.alphas_cumprod;
  const at::Tensor sigmas = ((1 - alphas) / alphas).sqrt().to(at::kDouble);
  return {sigmas.const_data_ptr<double>(), sigmas.const_data_ptr<double>() + sigmas.numel()};
}

// numpy.interp(t, arange(T), sigmas)
double SigmaAt(const std::vector<double>& sigmas, double t) {
  if (t <= 0) return sigmas.front();
  if (t >= sigmas.size() - 1) return sigmas.back();
  const size_t low = static_cast<size_t>(t);
  return (sigmas[low + 1] - sigmas[low]) * (t - low) + sigmas[low];
}

// The timestep of a noise level, linear in log σ between its neighbours (_sigma_to_t).
double TimestepOf(const std::vector<float>& log_sigmas, double sigma) {
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  const auto above = std::upper_bound(log_sigmas.begin(), log_sigmas.end(), log_sigma);
  const int64_t last = static_cast<int64_t>(log_sigmas.size()) - 2;
  const int64_t low = std::clamp<int64_t>(above - log_sigmas.begin() - 1, 0, last);
  const double w =
      std::clamp((log_sigmas[low] - log_sigma) / (log_sigmas[low] - log_sigmas[low + 1]), 0.0, 1.0);
  return (1 - w) * low + w * (low + 1);
}

// Karras et al. (https://arxiv.org/abs/2206.00364), eq. 5 with rho 7, from `most` to `least`.
std::vector<double> KarrasSigmas(double most, double least, int steps) {
  constexpr double kRho = 7;
  const double first = std::pow(most, 1 / kRho), last = std::pow(least, 1 / kRho);
  std::vector<double> sigmas = Linspace(0, 1, steps);
  for (double& sigma : sigmas) sigma = std::pow(first + sigma * (last - first), kRho);
  return sigmas;
}

std::vector<double> TimestepsOf(const std::vector<double>& trained, const std::vector<double>& sigmas) {
  std::vector<float> log_sigmas;
  for (double sigma : trained) log_sigmas.push_back(static_cast<float>(std::log(sigma)));
  std::vector<double> timesteps;
  for (double sigma : sigmas) timesteps.push_back(TimestepOf(log_sigmas, sigma));
  return timesteps;
}

// offset + 0, stride, 2·stride, …, falling.
std::vector<double> Leading(int64_t stride, int count, int64_t offset) {
  std::vector<double> timesteps;
  for (int i = count - 1; i >= 0; --i) timesteps.push_back(static_cast<double>(i * stride + offset));
  return timesteps;
}

// round(arange(last, 0, −num_train_timesteps / steps)) − 1. For some counts (61 of 1000) numpy.arange rounds
// itself one element too many, and diffusers goes on to timestep −1; here it is left out.
std::vector<double> Trailing(int64_t last, int64_t num_train_timesteps, int steps) {
  const double step = static_cast<double>(num_train_timesteps) / steps;
  const double delta = (last - step) - last;  // numpy.arange's own step
  const int count = std::min<int>(steps, std::ceil(last / step));
  std::vector<double> timesteps;
  for (int i = 0; i < count; ++i) timesteps.push_back(std::nearbyint(last + i * delta) - 1);
  return timesteps;
}

std::vector<double> Falling(std::vector<double> timesteps) {
  std::reverse(timesteps.begin(), timesteps.end());
  return timesteps;
}

// The timesteps of EulerDiscreteScheduler and, once rounded, of DDIMScheduler.
std::vector<double> Spaced(const BetaSchedule& schedule, int steps) {
  const int64_t count = schedule.num_train_timesteps();
  switch (schedule.spacing) {
    case TimestepSpacing::kLinspace:
      return Falling(Linspace(0, count - 1, steps));
    case TimestepSpacing::kLeading:
      return Leading(count / steps, steps, schedule.steps_offset);
    case TimestepSpacing::kTrailing:
      break;
  }
  return Trailing(count, count, steps);
}

TimeGrid MakeGrid(const std::vector<double>& timesteps, const std::vector<double>& sigmas) {
  TimeGrid grid{{sigmas.begin(), sigmas.end()}, {timesteps.begin(), timesteps.end()}};
  grid.sigmas.push_back(0);
  return grid;
}

std::vector<double> SigmasAt(const std::vector<double>& trained, const std::vector<double>& timesteps) {
  std::vector<double> sigmas;
  for (double t : timesteps) sigmas.push_back(SigmaAt(trained, t));
  return sigmas;
}

}  // namespace

at::Tensor AlphasCumprod(BetaCurve curve, double beta_start, double beta_end, int64_t num_train_timesteps) {
  at::Tensor betas;
  switch (curve) {
    case BetaCurve::kLinear:
      betas = at::linspace(beta_start, beta_end, num_train_timesteps, at::kFloat);
      break;
    case BetaCurve::kScaledLinear:
      betas =
          at::linspace(std::sqrt(beta_start), std::sqrt(beta_end), num_train_timesteps, at::kFloat).pow(2);
      break;
    case BetaCurve::kSquaredCosine: {
      const double count = static_cast<double>(num_train_timesteps);
      auto alpha_bar = [](double t) {
        return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2);
      };
      std::vector<float> values;
      for (int64_t i = 0; i < num_train_timesteps; ++i) {
        values.push_back(std::min(1 - alpha_bar((i + 1) / count) / alpha_bar(i / count), 0.999));
      }
      betas = at::tensor(values);
    }
  }
  return (1 - betas).cumprod(0);
}

int64_t BetaSchedule::LastTimestep() const {
  const at::Tensor lambdas = alphas_cumprod.sqrt().log() - (1 - alphas_cumprod).sqrt().log();
  return num_train_timesteps() - (lambdas < lambda_min_clipped).sum().item<int64_t>();
}

TimeGrid EulerGrid(const BetaSchedule& schedule, int steps) {
  std::vector<double> timesteps = Spaced(schedule, steps);
  for (double& t : timesteps) t = static_cast<float>(t);
  const std::vector<double> trained = TrainedSigmas(schedule);
  std::vector<double> sigmas = SigmasAt(trained, timesteps);
  if (schedule.use_karras_sigmas) {
    sigmas = KarrasSigmas(sigmas.front(), sigmas.back(), steps);
    timesteps = TimestepsOf(trained, sigmas);
  }
  return MakeGrid(timesteps, sigmas);
}

TimeGrid DdimGrid(const BetaSchedule& schedule, int steps) {
  std::vector<double> timesteps = Spaced(schedule, steps);
  for (double& t : timesteps) t = std::nearbyint(t);
  return MakeGrid(timesteps, SigmasAt(TrainedSigmas(schedule), timesteps));
}

TimeGrid DpmSolverGrid(const BetaSchedule& schedule, int steps) {
  const std::vector<double> trained = TrainedSigmas(schedule);
  if (schedule.use_karras_sigmas) {
    const std::vector<double> sigmas = KarrasSigmas(trained.back(), trained.front(), steps);
    std::vector<double> timesteps = TimestepsOf(trained, sigmas);
    for (double& t : timesteps) t = schedule.round_karras_times ? std::nearbyint(t) : std::trunc(t);
    return MakeGrid(timesteps, sigmas);
  }
  const int64_t last = schedule.LastTimestep();
  std::vector<double> timesteps;
  switch (schedule.spacing) {
    case TimestepSpacing::kLinspace:
      timesteps = Falling(Linspace(0, last - 1, steps + 1));
      timesteps.pop_back();
      for (double& t : timesteps) t = std::nearbyint(t);
      break;
    case TimestepSpacing::kLeading:
      timesteps = Leading(last / (steps + 1), steps + 1, schedule.steps_offset);
      timesteps.pop_back();
      break;
    case TimestepSpacing::kTrailing:
      timesteps = Trailing(last, schedule.num_train_timesteps(), steps);
  }
  return MakeGrid(timesteps, SigmasAt(trained, timesteps));
}

}  // namespace easel

#include "model/sampling/ode.h"

#include <ATen/ATen.h>

#include "model/sampling/torch_sqrt.h"

namespace easel {
namespace {

float Norm(float sigma) { return TorchSqrt(sigma * sigma + 1); }

}  // namespace

Ode::Ode(std::string_view sampler, const SamplerOptions& options, TimeGrid grid)
    : options_(options), grid_(std::move(grid)), scaled_(options.schedule.path() == NoisePath::kBetas) {
  if (scaled_) betas_ = options.schedule.betas(sampler);
  // FlowMatchHeunDiscreteScheduler goes through the data, and so rounds; FlowMatchEulerDiscreteScheduler not.
  derivative_from_denoised_ = scaled_ || (options.schedule.path() == NoisePath::kFlow && sampler == "heun");
}

at::Tensor Ode::Start(const at::Tensor& noise) const {
  if (!scaled_) return noise;
  // init_noise_sigma: without the share of data, which is 0, where the grid begins at the last timestep.
  const float sigma = grid_.sigmas[0];
  return noise * (betas_.spacing == TimestepSpacing::kLeading ? Norm(sigma) : sigma);
}

ModelInput Ode::InputAt(size_t level, const at::Tensor& x) const {
  return {scaled_ ? x / Norm(grid_.sigmas[level]) : x, grid_.times[level]};
}

Ode::Evaluation Ode::Evaluate(size_t level, const at::Tensor& x, const at::Tensor& prediction) const {
  const float sigma = grid_.sigmas[level];
  Evaluation result;
  if (options_.schedule.path() == NoisePath::kEasel) {
    result.derivative = ToVelocity(options_.prediction, prediction, x, sigma, options_.schedule);
    result.denoised = x - sigma * result.derivative;
    return result;
  }
  if (options_.prediction == PredictionKind::kV) {
    const float norm = Norm(sigma);
    result.denoised = prediction * (-sigma / norm) + x / (sigma * sigma + 1);
  } else {  // velocity or epsilon: both are dx/dσ
    result.denoised = x - sigma * prediction;
  }
  if (betas_.clip_sample_range) {
    result.denoised = result.denoised.clamp(-*betas_.clip_sample_range, *betas_.clip_sample_range);
  }
  result.derivative = derivative_from_denoised_ ? (x - result.denoised) / sigma : prediction;
  return result;
}

}  // namespace easel

// Heun's method on dx/dσ (ode.h): Euler's step, then the mean of the derivatives at its two ends. Two
// evaluations a step; the last step is Euler's, for a network need not know σ = 0. Of diffusers:
// FlowMatchHeunDiscreteScheduler, HeunDiscreteScheduler.
#pragma once

#include <memory>

#include "model/sampling/sampler.h"

namespace easel {

constexpr int HeunEvaluations(int steps) { return 2 * steps - 1; }

std::unique_ptr<Sampler> MakeHeunSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise);

}  // namespace easel

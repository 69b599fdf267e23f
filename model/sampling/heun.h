// Heun's method on dx/dt = v(x, t): Euler's step, then the mean of the velocities at its two ends. Two
// evaluations a step; the last step is Euler's, for a network need not know t = 0.
#pragma once

#include <memory>

#include "model/sampling/sampler.h"

namespace easel {

std::unique_ptr<Sampler> MakeHeunSampler(const SamplerOptions& options, at::Tensor noise);

}  // namespace easel

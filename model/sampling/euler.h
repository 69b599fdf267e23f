// Euler's method on dx/dσ (ode.h): x ← x + (σ' − σ)·dx/dσ. One evaluation a step. Of diffusers:
// FlowMatchEulerDiscreteScheduler, EulerDiscreteScheduler.
#pragma once

#include <memory>

#include "model/sampling/sampler.h"

namespace easel {

std::unique_ptr<Sampler> MakeEulerSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise);

}  // namespace easel

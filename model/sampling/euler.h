// Euler's method on dx/dt = v(x, t): x ← x − (t − t')·v. One evaluation a step.
#pragma once

#include <memory>

#include "model/sampling/sampler.h"

namespace easel {

std::unique_ptr<Sampler> MakeEulerSampler(const SamplerOptions& options, at::Tensor noise);

}  // namespace easel

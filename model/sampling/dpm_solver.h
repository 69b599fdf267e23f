// DPM-Solver++(2M) (https://arxiv.org/abs/2211.01095, algorithm 2), as diffusers'
// DPMSolverMultistepScheduler: order 2, midpoint, the last level 0. One evaluation a step; the first step and
// the last are of order 1.
#pragma once

#include <memory>

#include "model/sampling/sampler.h"

namespace easel {

std::unique_ptr<Sampler> MakeDpmSolverSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise);

}  // namespace easel

// DPM-Solver++ (https://arxiv.org/abs/2211.01095, algorithm 2), as diffusers' DPMSolverMultistepScheduler:
// midpoint, the last level 0. One evaluation a step; the first step and the last are of order 1, and so on
// from both ends, where there are few steps.
#pragma once

#include <memory>

#include "model/sampling/sampler.h"

namespace easel {

struct DpmSolver {
  int order = 2;            // 1 … 3
  bool stochastic = false;  // each step adds noise from options.generator; of orders 1 and 2
};
std::unique_ptr<Sampler> MakeDpmSolverSampler(DpmSolver solver, const SamplerOptions& options, TimeGrid grid,
                                              at::Tensor noise);

}  // namespace easel

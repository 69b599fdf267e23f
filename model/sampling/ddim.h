// DDIM (https://arxiv.org/abs/2010.02502, eq. 12 and 16) on a schedule of betas, as diffusers' DDIMScheduler.
// One evaluation a step. With eta > 0 each step adds noise from options.generator.
#pragma once

#include <memory>

#include "model/sampling/sampler.h"

namespace easel {

std::unique_ptr<Sampler> MakeDdimSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise);

}  // namespace easel

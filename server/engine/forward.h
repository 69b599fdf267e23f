// One forward, as it is counted and timed.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "model/pipeline.h"
#include "server/engine/step_times.h"

namespace easel {

// What jobs must have in common to share it. `latent`: (C, H, W)
ForwardShape ShapeOf(int model, const at::Tensor& latent, const GuidedConditioning& conditioning);

// Blocks until the device has done what this thread gave it, so that a clock read next tells how long that
// took.
void AwaitDevice(c10::Device device);

}  // namespace easel

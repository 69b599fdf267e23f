// One forward, as it is counted and timed.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "model/denoise.h"
#include "model/pipeline.h"
#include "server/engine/memory_meter.h"
#include "server/engine/step_times.h"
#include "server/engine/thread_team.h"

namespace easel {

// What jobs must have in common to share it. `latent`: (C, H, W)
ForwardShape ShapeOf(int model, const at::Tensor& latent, const GuidedConditioning& conditioning);

// Denoise's ForEach: on the team, whose threads `meter` watches meanwhile where it is not null. Both must
// outlive it.
ForEach OnTeam(ThreadTeam* team, const MemoryMeter* meter = nullptr);

// Blocks until the device has done what this thread gave it, so that a clock read next tells how long that
// took.
void AwaitDevice(c10::Device device);

}  // namespace easel

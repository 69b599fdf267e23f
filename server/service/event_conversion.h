// What the engine tells, in the words of the proto. Pure functions.
#pragma once

#include "absl/status/status.h"
#include "easel/v1/image_generation.pb.h"
#include "server/engine/job_listener.h"

namespace easel {

v1::Progress ToProto(const JobProgress& progress);
v1::Accounting ToProto(const JobAccounting& accounting);

// Takes what an event says into the one answer: `started`, pictures piece by piece, `done`.
void Collect(v1::GenerationEvent event, v1::GenerateResponse* answer);

// A missed deadline with what a caller can learn from it: how far it got, and what would have been enough.
absl::Status WithEstimate(const absl::Status& status, const JobAccounting& accounting, int total_steps);

}  // namespace easel

// The figure behind a refusal, in its status: how long it would take, or until it is worth trying again.
#pragma once

#include <optional>

#include "absl/status/status.h"

namespace easel {

// Of what Engine::Submit refuses:
//   ResourceExhausted  seconds until there is likely room
//   DeadlineExceeded   seconds from Submit until it would have been done, at best
absl::Status WithEstimatedSeconds(absl::Status status, double seconds);
std::optional<double> EstimatedSeconds(const absl::Status& status);
// The same status, to be sent on: the figure is this process's own.
absl::Status WithoutEstimate(absl::Status status);

}  // namespace easel

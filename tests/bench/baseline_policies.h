// What Easel's policy is measured against, on the same engine: how other servers choose.
#pragma once

#include "server/engine/batch_policy.h"

namespace easel {

// One request after another, each alone from its first step to its last, as they came.
BatchPolicyFactory FirstComeFirstServed();

// Whole requests together: the oldest, and those that wait with its shape and as many steps, as many as fit
// into a forward; the next begin when all of these are done.
BatchPolicyFactory WholeRequestBatches();

// Batcher, step by step, but as if nobody had a deadline: shares, then age.
BatchPolicyFactory StepLevelWithoutDeadlines();

}  // namespace easel

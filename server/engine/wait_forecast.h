// When will those in the line begin? Batcher's rules played ahead, coarsely: in stretches between two jobs'
// ends, not forward by forward. Pure.
#pragma once

#include <optional>
#include <vector>

#include "server/engine/batch_policy.h"

namespace easel {

// Seconds until each of `line` begins, which is in the order of beginning, if nobody else comes. One begins
// when it has a seat: `max_active_rows` are taken together, and twice as many for those with a claim over one
// who is active. Until then the active ones go on by class: those within their share first, in each class
// those with a deadline one forward's worth after another, the others in turns. Absent from the first on
// whose wait hangs on forwards of a shape not measured yet.
std::vector<std::optional<double>> ForecastWaits(const std::vector<BatchCandidate>& active,
                                                 const std::vector<BatchCandidate>& line,
                                                 int64_t max_active_rows, const StepTimes& times);

}  // namespace easel

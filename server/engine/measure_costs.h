// Costs measured before anybody asks, so that the first deadlines, too, are judged, and batches end at the
// knee, and what does not fit is refused.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/engine/cpu_layout.h"
#include "server/engine/model_costs.h"

namespace easel {

class Pipeline;

// Encodes, runs forwards of 1, 2, 4, … rows for as long as doubling takes a tenth off the seconds of a row,
// and decodes: a picture as the model makes it when asked for nothing in particular, the best of a few turns,
// and the memory of one. On a CPU with layout.workers at once, as they will run. No new turn begins after 0.3
// s. Threads of its own meanwhile. Errors: those of Encode and Decode; Internal when the network throws.
absl::StatusOr<ModelCosts> MeasureCosts(const std::string& name, const Pipeline& pipeline,
                                        const CpuLayout& layout, int max_rows);

}  // namespace easel

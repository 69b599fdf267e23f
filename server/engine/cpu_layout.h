// How the cores of a CPU are best shared out.
#pragma once

#include "absl/status/statusor.h"

namespace easel {

class Pipeline;

struct CpuLayout {
  int workers = 1;
  int threads = 1;  // each
};

// Tries a few forwards of `pipeline`'s network under each split of `cores` into workers × threads (threads:
// all, half, a quarter, … 1) and takes the one with the least time per row. One worker with all threads
// serves a lone picture fastest, so others must beat it by a quarter; and it is taken untried when a first
// forward takes over 0.2 s, because such a network keeps all cores busy in any split. Runs well under 0.3 s
// for small networks, and starts threads of its own meanwhile. Errors: those of Encode; Internal when the
// network throws.
absl::StatusOr<CpuLayout> ChooseCpuLayout(const Pipeline& pipeline, int cores);

}  // namespace easel

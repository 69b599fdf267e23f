// What a generation's parts take of the heap once it has ended and is kept: for --keep-results-bytes. About:
// rounded as malloc rounds.
#pragma once

#include <cstdint>

#include "server/service/generation_state.h"
#include "server/service/proto_conversion.h"

namespace easel {

// Besides the size of the value itself.
int64_t HeldBytes(const GenerationPlan& plan);
// But for previews, which are let go.
int64_t HeldBytes(const GenerationState& state);

}  // namespace easel

// From what was typed to what is sent.
#pragma once

#include "client/cli/arguments.h"
#include "server/image/parameters.h"

namespace easel {

// `like`: what --like's file says, or nothing set; the arguments go before it, any condition of theirs before
// all of its. Without preview (PreviewRequest).
v1::GenerateRequest BuildRequest(const GenerateArguments& arguments, const ImageParameters& like);

// Previews as raw pixels, `max_size` ≥ 1 at most; 0: as large as they come.
v1::Preview PreviewRequest(const GenerateArguments& arguments, int max_size);

}  // namespace easel

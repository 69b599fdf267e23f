// `easel load`.
#pragma once

#include <ostream>

#include "client/cli/terminal.h"
#include "client/image_client.h"
#include "client/load/load_options.h"

namespace easel {

// Times each kind of request alone, sends the load, compares the pictures (--verify), and prints a table on
// `out`, or one JSON object; how far it is goes to `err`, which is `terminal`. The exit code: 1 when it could
// not begin, nothing completed, a picture differed or could not be compared, or client.Cancel() ended it, of
// which the table then tells what there is; else 0, refusals and errors being figures like the others.
int RunLoad(const LoadOptions& options, bool json, ImageClient& client, const Terminal& terminal,
            std::ostream& out, std::ostream& err);

}  // namespace easel

// `easel generate`.
#pragma once

#include <ostream>

#include "client/arguments.h"
#include "client/image_client.h"
#include "client/terminal.h"

namespace easel {

// Sends the request, shows how it comes along on `err`, which is `terminal`, and writes the pictures as they
// come; `out` gets their names, or JSON, or the picture itself (-o -). Whatever can fail here is tried before
// the request is sent. Returns the exit code: 0 or 1. Cancelled by client.Cancel(): 1, and the pictures that
// came are kept.
int RunGenerate(const Arguments& arguments, ImageClient& client, const Terminal& terminal, std::ostream& out,
                std::ostream& err);

}  // namespace easel

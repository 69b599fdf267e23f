// `easel generate`.
#pragma once

#include <ostream>

#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "client/cli/terminal.h"
#include "client/image_client.h"

namespace easel {

// The request of the arguments, --like's file read (errors name it). Without preview.
absl::StatusOr<v1::GenerateRequest> RequestOf(const GenerateArguments& generate);

// Sends the request, shows how it comes along on `err`, which is `terminal`, and writes the pictures as they
// come; `out` gets their names, or JSON, or the picture itself (-o -). Whatever can fail here is tried before
// the request is sent. Returns the exit code: 0 or 1. Cancelled by client.Cancel(): 1, and the pictures that
// came are kept. With detach_on_disconnect the generation goes on then, and `err` says so.
int RunGenerate(const Arguments& arguments, ImageClient& client, const Terminal& terminal, std::ostream& out,
                std::ostream& err);

}  // namespace easel

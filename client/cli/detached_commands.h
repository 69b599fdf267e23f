// `easel submit`, `watch`, `get` and `cancel`: generations that their callers need not stay for. All return
// the exit code.
#pragma once

#include <ostream>
#include <string>

#include "client/cli/arguments.h"
#include "client/cli/terminal.h"
#include "client/image_client.h"

namespace easel {

// The id alone on `out`, what to do with it on `err`. --json: the Generation.
int RunSubmit(const Arguments& arguments, ImageClient& client, std::ostream& out, std::ostream& err);

// As RunGenerate, of a generation that is there. Left by client.Cancel(), it goes on, and `err` says so.
int RunWatch(const Arguments& arguments, ImageClient& client, const Terminal& terminal, std::ostream& out,
             std::ostream& err);

// Without an output: where it stands; 1 when it has failed or was cancelled. With one: the pictures; 1, and
// nothing is written, when they are not all there. --json: the Generation, the pictures' bytes left out.
int RunGet(const Arguments& arguments, ImageClient& client, std::ostream& out, std::ostream& err);

// Where it stands then.
int RunCancel(const Arguments& arguments, ImageClient& client, std::ostream& out, std::ostream& err);

// Where it stands, in lines.
std::string GenerationText(const v1::Generation& generation);

}  // namespace easel

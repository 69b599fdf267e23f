// easeld from its flags to its end. Both functions: after InitLog, by main alone; where the exit code is not
// kExitClean, the log has why.
#pragma once

#include "server/flags.h"

namespace easel {

// Opens the doors, loads the models, prints "listening on HOST:PORT" on stdout, and serves until SIGTERM or
// SIGINT. Comes back where it cannot serve; ends the process once it has.
ExitCode RunServer(const Flags& flags);

// --check: loads and measures as a start would, and tells what it found, but opens no address and writes no
// file. Leaves the signals alone: who stops it has not heard that all is well.
ExitCode CheckServer(const Flags& flags);

}  // namespace easel

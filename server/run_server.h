// easeld from its flags to its end.
#pragma once

#include "server/flags.h"

namespace easel {

// Opens the doors, loads the models, prints "listening on HOST:PORT" on stdout, and serves until SIGTERM or SIGINT. Comes back
// with the exit code where it cannot serve, having logged why; ends the process once it has. After InitLog, by main alone.
int RunServer(const Flags& flags);

}  // namespace easel

// The command line, EASEL_… variables and --config FILE, which say the same things, as each part's own
// Options.
#pragma once

#include <iostream>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "server/app.h"
#include "server/engine/engine.h"
#include "server/load_models.h"
#include "server/log.h"

namespace easel {

// How easeld ends.
enum ExitCode { kExitClean = 0, kExitFault = 1, kExitUsage = 2, kExitModel = 3, kExitAddress = 4 };

struct Flags {
  App::Options app;
  LoadOptions load;      // with the shipped model when none was named
  EngineOptions engine;  // without the layout, which is known once the models are loaded
  LogOptions log;
  std::string step_times;  // a file of ModelCosts: read where it is, else written once measured; empty: none
  absl::Duration drain_timeout = absl::Seconds(30);
  bool check = false;  // load all as a start would, tell of it, and leave
};

// Flag before variable before file before default; an unknown key is an error. What comes back instead of
// flags is the exit code, after --help, --version and --print-config (on `out`) or a mistake (on `err`).
std::variant<Flags, ExitCode> ParseFlags(int argc, const char* const* argv, std::ostream& out = std::cout,
                                         std::ostream& err = std::cerr);

}  // namespace easel

// easeld.
#include <variant>

#include "server/flags.h"
#include "server/log.h"
#include "server/run_server.h"

int main(int argc, char** argv) {
  auto flags = easel::ParseFlags(argc, argv);
  if (const auto* code = std::get_if<easel::ExitCode>(&flags)) return *code;
  easel::InitLog(std::get<easel::Flags>(flags).log);
  return easel::RunServer(std::get<easel::Flags>(flags));
}

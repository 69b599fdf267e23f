// easeld.
#include <variant>

#include "server/flags.h"
#include "server/log.h"
#include "server/run_server.h"

int main(int argc, char** argv) {
  auto parsed = easel::ParseFlags(argc, argv);
  if (const auto* code = std::get_if<easel::ExitCode>(&parsed)) return *code;
  const auto& flags = std::get<easel::Flags>(parsed);
  easel::InitLog(flags.log);
  return flags.check ? easel::CheckServer(flags) : easel::RunServer(flags);
}

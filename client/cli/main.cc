#include <google/protobuf/stubs/logging.h>
#include <unistd.h>

#include <iostream>

#include "client/cli/arguments.h"
#include "client/cli/detached_commands.h"
#include "client/cli/generate_command.h"
#include "client/cli/inspect_commands.h"
#include "client/cli/interrupt_watcher.h"
#include "client/load/load_command.h"

int main(int argc, char** argv) {
  using easel::Arguments;
  google::protobuf::SetLogHandler(nullptr);  // text that is not UTF-8: the server says so
  const auto parsed = easel::ParseArguments({argv + 1, argv + argc});
  if (const auto* leave = std::get_if<easel::Leave>(&parsed)) {
    (leave->exit_code == 0 ? std::cout : std::cerr) << leave->text;
    return leave->exit_code;
  }
  const Arguments& arguments = std::get<Arguments>(parsed);
  easel::BlockInterrupts();
  const auto client = easel::ImageClient::Create(arguments.connection);
  if (!client.ok()) {
    std::cerr << "easel: " << client.status().message() << "\n";
    return 1;
  }
  const easel::InterruptWatcher interrupts([&] { (*client)->Cancel(); });
  const easel::Terminal terminal = easel::DetectTerminal(STDERR_FILENO);
  int code = 1;
  switch (arguments.command) {
    case Arguments::Command::kGenerate:
      code = RunGenerate(arguments, **client, terminal, std::cout, std::cerr);
      break;
    case Arguments::Command::kSubmit:
      code = RunSubmit(arguments, **client, std::cout, std::cerr);
      break;
    case Arguments::Command::kWatch:
      code = RunWatch(arguments, **client, terminal, std::cout, std::cerr);
      break;
    case Arguments::Command::kGet:
      code = RunGet(arguments, **client, std::cout, std::cerr);
      break;
    case Arguments::Command::kCancel:
      code = RunCancel(arguments, **client, std::cout, std::cerr);
      break;
    case Arguments::Command::kLoad:
      code = RunLoad(arguments.load, arguments.json, **client, terminal, std::cout, std::cerr);
      break;
    case Arguments::Command::kModels:
      code = RunModels(**client, arguments.json, std::cout, std::cerr);
      break;
    case Arguments::Command::kHealth:
      code = RunHealth(**client, arguments.json, std::cout, std::cerr);
      break;
  }
  if (!std::cout.flush() && code == 0) {
    std::cerr << "easel: cannot write to stdout\n";
    code = 1;
  }
  return code != 0 && interrupts.signal() != 0 ? 128 + interrupts.signal() : code;
}

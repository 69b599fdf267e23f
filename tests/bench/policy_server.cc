// policy_server POLICY [easeld's flags]: easeld with another policy of forwards (serving_policies.h), for the serving
// benchmark.
#include <algorithm>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include "server/flags.h"
#include "server/log.h"
#include "server/run_server.h"
#include "tests/bench/serving_policies.h"

int main(int argc, char** argv) {
  const std::vector<std::string> names = easel::ServingPolicyNames();
  if (argc < 2 || std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    std::cerr << "usage: policy_server POLICY [easeld's flags]; policies:";
    for (const std::string& name : names) std::cerr << " " << name;
    std::cerr << "\n";
    return 2;
  }
  auto parsed = easel::ParseFlags(argc - 1, argv + 1);
  if (const auto* code = std::get_if<easel::ExitCode>(&parsed)) return *code;
  easel::Flags& flags = std::get<easel::Flags>(parsed);
  flags.engine.policy = easel::ServingPolicyNamed(argv[1]).policy;
  easel::InitLog(flags.log);
  return easel::RunServer(flags);
}

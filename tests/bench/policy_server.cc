// policy_server POLICY [easeld's flags]: easeld with another policy of forwards (serving_policies.h), for the
// serving benchmark. Prints "listening on HOST:PORT" and serves until SIGTERM or SIGINT.
#include <algorithm>
#include <iostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/app.h"
#include "server/flags.h"
#include "server/log.h"
#include "server/signals.h"
#include "tests/bench/serving_policies.h"

namespace easel {
namespace {

int Fail(const absl::Status& status) {
  std::cerr << "policy_server: " << status.message() << "\n";
  return 1;
}

int Serve(Flags flags, const std::string& policy) {
  absl::Notification stop;
  Signals signals(
      [&](int count) {
        if (count == 1) stop.Notify();
      },
      [] {});
  const auto devices = ResolveDevices(flags.load.devices);
  if (!devices.ok()) return Fail(devices.status());
  auto app = App::Listen(flags.app);
  if (!app.ok()) return Fail(app.status());
  auto models = LoadModels(flags.load, *devices);
  if (!models.ok()) return Fail(models.status());
  const auto layout = LayoutFor(flags.load, *models);
  if (!layout.ok()) return Fail(layout.status());
  auto costs = CostsOf(*models, *layout, flags.engine.max_batch_rows, flags.step_times);
  if (!costs.ok()) return Fail(costs.status());
  flags.engine.known_costs = *std::move(costs);
  flags.engine.policy = ServingPolicyNamed(policy).policy;
  (*app)->Serve(*std::move(models), *layout, flags.engine);
  std::cout << "listening on " << (*app)->address() << std::endl;
  stop.WaitForNotification();
  (*app)->Drain(absl::Now() + flags.drain_timeout);
  return 0;
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  const std::vector<std::string> names = easel::ServingPolicyNames();
  if (argc < 2 || std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    std::cerr << "usage: policy_server POLICY [easeld's flags]; policies:";
    for (const std::string& name : names) std::cerr << " " << name;
    std::cerr << "\n";
    return 2;
  }
  auto flags = easel::ParseFlags(argc - 1, argv + 1);
  if (const auto* code = std::get_if<easel::ExitCode>(&flags)) return *code;
  easel::InitLog(std::get<easel::Flags>(flags).log);
  return easel::Serve(std::get<easel::Flags>(flags), argv[1]);
}

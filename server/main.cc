// easeld: flags, signals, App.
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "server/app.h"
#include "server/flags.h"
#include "server/log.h"
#include "server/sd_notify.h"
#include "server/signals.h"

namespace easel {
namespace {

int Fail(ExitCode code, const absl::Status& status) {
  LogError("failed", {{"message", std::string(status.message())}});
  return code;
}

// Whoever can reach the port can use it: that may be meant, and is never left unsaid.
void WarnIfOpen(const App::Options& options) {
  if (options.listen.IsLoopback()) return;
  std::vector<std::string> missing;
  if (options.secrets.tls.cert.empty()) missing.push_back("TLS");
  if (options.secrets.api_keys.empty() && options.secrets.tls.client_ca.empty()) missing.push_back("keys");
  if (missing.empty()) return;
  LogWarning("open to the network",
             {{"listen", options.listen.ToString()}, {"without", absl::StrJoin(missing, ", ")}});
}

int Run(const Flags& flags) {
  std::unique_ptr<App> app;  // outlives the signals, whose thread cuts it short
  std::atomic<bool> serving = false;
  absl::Notification stop;
  const auto on_stop = [&](int count) {
    LogInfo(count == 1 ? "stopping" : "cutting short");
    if (!serving) std::_Exit(kExitClean);  // still loading: nobody waits for anything
    if (count == 1) stop.Notify();
    if (count == 2) app->CutShort();
  };
  const auto on_reload = [&] {
    if (serving) app->RefreshSecrets();  // while loading, they have just been read
  };
  Signals signals(on_stop, on_reload);
  const auto devices = ResolveDevices(flags.load.devices);
  if (!devices.ok()) return Fail(kExitUsage, devices.status());
  auto opened = App::Listen(flags.app);
  if (!opened.ok())
    return Fail(absl::IsInvalidArgument(opened.status()) ? kExitUsage : kExitAddress, opened.status());
  app = *std::move(opened);
  WarnIfOpen(flags.app);
  auto models = LoadModels(flags.load, *devices);
  if (!models.ok()) return Fail(kExitModel, models.status());
  const auto layout = LayoutFor(flags.load, *models);
  if (!layout.ok())
    return Fail(absl::IsInvalidArgument(layout.status()) ? kExitUsage : kExitFault, layout.status());
  auto costs = CostsOf(*models, *layout, flags.engine.max_batch_rows, flags.step_times);
  if (!costs.ok()) return Fail(kExitFault, costs.status());
  EngineOptions engine = flags.engine;
  engine.known_costs = *std::move(costs);
  app->Serve(*std::move(models), *layout, std::move(engine));
  serving = true;

  LogInfo("serving", {{"address", app->address()}, {"metrics", app->metrics_address()}});
  std::cout << "listening on " << app->address() << std::endl;
  NotifySystemd("READY=1");
  stop.WaitForNotification();
  NotifySystemd("STOPPING=1");
  app->Drain(absl::Now() + flags.drain_timeout);
  LogInfo("stopped");
  std::_Exit(kExitClean);  // all is done; closing the page of metrics would take 2 s
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  auto flags = easel::ParseFlags(argc, argv);
  if (const auto* code = std::get_if<easel::ExitCode>(&flags)) return *code;
  easel::InitLog(std::get<easel::Flags>(flags).log);
  return easel::Run(std::get<easel::Flags>(flags));
}

#include "server/run_server.h"

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "server/app.h"
#include "server/log.h"
#include "server/sd_notify.h"
#include "server/shutdown_signals.h"

namespace easel {
namespace {

int Fail(ExitCode code, const absl::Status& status) {
  LogError("failed", {{"message", std::string(status.message())}});
  return code;
}

}  // namespace

int RunServer(const Flags& flags) {
  std::unique_ptr<App> app;  // outlives the signals, whose thread cuts it short
  std::atomic<bool> serving = false;
  absl::Notification stop;
  ShutdownSignals signals([&](int count) {
    LogInfo(count == 1 ? "stopping" : "cutting short");
    if (!serving) std::_Exit(kExitClean);  // still loading: nobody waits for anything
    if (count == 1) stop.Notify();
    if (count == 2) app->CutShort();
  });
  const auto devices = ResolveDevices(flags.load.devices);
  if (!devices.ok()) return Fail(kExitUsage, devices.status());
  auto opened = App::Listen(flags.app);
  if (!opened.ok()) return Fail(kExitAddress, opened.status());
  app = *std::move(opened);
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

}  // namespace easel

#include "server/run_server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "server/app.h"
#include "server/load_models.h"
#include "server/log.h"
#include "server/sd_notify.h"
#include "server/secrets.h"
#include "server/signals.h"
#include "server/sync/steady_now.h"

namespace easel {
namespace {

ExitCode Fail(ExitCode code, const absl::Status& status) {
  LogError("failed", {{"message", std::string(status.message())}});
  return code;
}

struct Loaded {
  std::vector<LoadedModel> models;
  CpuLayout layout;
  EngineOptions engine;
};

// All that a start needs but the addresses. kExitClean, or why not, which the log has then. `step_times` as
// in Flags.
ExitCode Load(const Flags& flags, const std::vector<std::string>& devices, const std::string& step_times,
              Loaded* loaded) {
  std::error_code error;
  const bool measured = std::filesystem::exists(step_times, error);
  absl::StatusOr<std::vector<ModelCosts>> costs = std::vector<ModelCosts>();
  if (measured) costs = ReadModelCosts(step_times);
  if (!costs.ok()) return Fail(kExitUsage, costs.status());
  auto models = LoadModels(flags.load, devices);
  if (!models.ok()) return Fail(kExitModel, models.status());
  const auto layout = LayoutFor(flags.load, *models);
  if (!layout.ok())
    return Fail(absl::IsInvalidArgument(layout.status()) ? kExitUsage : kExitFault, layout.status());
  costs = CostsOf(*models, *layout, flags.engine.max_batch_rows, *std::move(costs));
  if (!costs.ok()) return Fail(kExitFault, costs.status());
  if (!step_times.empty() && !measured) {
    const absl::Status written = WriteModelCosts(step_times, *costs);
    if (!written.ok()) return Fail(kExitUsage, written);
  }
  *loaded = {*std::move(models), *layout, flags.engine};
  loaded->engine.known_costs = *std::move(costs);
  return kExitClean;
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

}  // namespace

ExitCode CheckServer(const Flags& flags) {
  const auto devices = ResolveDevices(flags.load.devices);
  if (!devices.ok()) return Fail(kExitUsage, devices.status());
  Authenticator nobody({});
  const auto secrets = Secrets::Load(flags.app.secrets, &nobody);
  if (!secrets.ok()) return Fail(kExitUsage, secrets.status());
  std::error_code error;
  const bool measured = std::filesystem::exists(flags.step_times, error);
  if (!flags.step_times.empty() && !measured) {  // a start would write it
    const auto folder = std::filesystem::absolute(flags.step_times).parent_path();
    if (access(folder.c_str(), W_OK) != 0) {
      return Fail(kExitUsage,
                  absl::ErrnoToStatus(errno, absl::StrCat(flags.step_times, ": cannot be written")));
    }
  }
  Loaded loaded;
  const ExitCode code = Load(flags, *devices, measured ? flags.step_times : "", &loaded);
  if (code != kExitClean) return code;
  for (const std::string& line : Describe(flags.load, loaded.models)) std::cout << line << "\n";
  if (std::any_of(loaded.models.begin(), loaded.models.end(), OnCpu)) {
    std::cout << "CPU: workers " << loaded.layout.workers << ", threads of each " << loaded.layout.threads
              << "\n";
  }
  std::cout << "would listen on " << flags.app.listen.ToString() << ", metrics on "
            << (flags.app.metrics_listen.has_value() ? flags.app.metrics_listen->ToString() : "off") << "\n";
  return kExitClean;
}

ExitCode RunServer(const Flags& flags) {
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
  Loaded loaded;
  const ExitCode code = Load(flags, *devices, flags.step_times, &loaded);
  if (code != kExitClean) return code;
  app->Serve(std::move(loaded.models), loaded.layout, std::move(loaded.engine));
  serving = true;

  LogInfo("serving", {{"address", app->address()}, {"metrics", app->metrics_address()}});
  std::cout << "listening on " << app->address() << std::endl;
  NotifySystemd("READY=1");
  stop.WaitForNotification();
  NotifySystemd("STOPPING=1");
  app->Drain(SteadyNow() + flags.drain_timeout);
  LogInfo("stopped");
  std::_Exit(kExitClean);  // all is done; closing the page of metrics would take 2 s
}

}  // namespace easel

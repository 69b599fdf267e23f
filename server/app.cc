#include "server/app.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/io/status_macros.h"
#include "server/bind_failure.h"

namespace easel {
namespace {

// After the engine has ended every job, for what still has to be sent.
constexpr absl::Duration kSendGrace = absl::Seconds(1);
// And then, so that the other ends of connections have read it, and a proxy has asked for health.
constexpr absl::Duration kGoodbye = absl::Seconds(1);

// gRPC adds reflection to every server of a process that links it: here it is taken out again.
class WithoutReflection : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const std::string name = grpc::reflection::ProtoServerReflectionPlugin().name();
    std::erase_if(*plugins, [&name](const auto& plugin) { return plugin->name() == name; });
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<App>> App::Listen(Options options) {
  std::unique_ptr<App> app(new App(std::move(options)));
  EASEL_RETURN_IF_ERROR(app->OpenDoors());
  return app;
}

App::App(Options options)
    : options_(std::move(options)),
      authenticator_({options_.trust_tenant_header}),
      metrics_(options_.version, &health_),
      pool_(std::in_place, options_.codec_threads),
      service_({options_.limits, &*pool_, &metrics_, options_.log, options_.keep, options_.stall_timeout,
                &authenticator_, options_.now}),
      inference_(
          &service_, [this](std::string_view model) { return health_.IsUp(model); }, options_.version) {}

App::~App() {
  if (server_ == nullptr) return;  // never opened
  EndWork(absl::InfinitePast());
  Close();
  pool_.reset();  // before the service, whose readers its last tasks wake
}

absl::Status App::OpenDoors() {
  SecretsListener listener;
  listener.certificate = [this](absl::Time not_after) { metrics_.SetCertificate(not_after); };
  listener.refresh_failed = [this](std::string_view file) { metrics_.OnReloadFailed(file); };
  EASEL_ASSIGN_OR_RETURN(secrets_, Secrets::Load(options_.secrets, &authenticator_, std::move(listener)));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  if (!options_.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  int port = 0;
  builder.AddListeningPort(options_.listen.ToString(), secrets_->credentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second server on the port is a mistake
  AddLimits(options_.connections, &builder);
  builder.RegisterService(&service_);
  builder.RegisterService(&inference_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return WhyNotBound("--listen", options_.listen);
  options_.listen.port = port;
  health_.Open(server_->GetHealthCheckService());
  if (options_.secrets.any()) {
    refresher_.emplace(options_.refresh_secrets,
                       [this] { secrets_->Refresh(asked_to_refresh_.exchange(false)); });
  }

  if (options_.metrics_listen.has_value()) {
    Address& metrics = *options_.metrics_listen;
    const auto metrics_port = metrics_.Listen(metrics.host, metrics.port);
    if (!metrics_port.ok()) return WhyNotBound("--metrics-listen", metrics);
    metrics.port = *metrics_port;
  }
  return absl::OkStatus();
}

void App::Serve(std::vector<LoadedModel> models, CpuLayout layout, EngineOptions engine) {
  engine.cpu_workers = layout.workers;
  engine.cpu_threads = layout.threads;
  engine.observer = &metrics_;
  std::vector<NamedPipeline> pipelines;
  for (const LoadedModel& model : models) pipelines.push_back(model.model);
  engine_ = std::make_unique<Engine>(std::move(pipelines), std::move(engine));
  std::set<std::string> devices;
  for (const ServedModel& served : engine_->models()) {
    for (const auto& device : absl::StrSplit(served.device, ',')) devices.emplace(device);
    double load_seconds = 0;
    for (const LoadedModel& model : models) {
      if (model.model.name == served.name) load_seconds += model.load_seconds;
    }
    metrics_.SetModel(served.name, load_seconds, served.info.weight_bytes);
  }
  metrics_.SetDevices({devices.begin(), devices.end()}, MemoryUseOf);
  service_.Serve(engine_.get());
  std::vector<std::string> names;
  for (const ServedModel& served : engine_->models()) names.push_back(served.name);
  health_.Serve(names);
}

void App::Drain(absl::Time deadline) {
  EndWork(deadline);
  // A process that ends at once resets the connections on which it had something to read, and a proxy that
  // hears of the reset before it has read the last picture loses that.
  cut_short_.WaitForNotificationWithTimeout(kGoodbye);
}

void App::EndWork(absl::Time deadline) {
  service_.Refuse();
  server_->GetHealthCheckService()->Shutdown();
  if (engine_ != nullptr) engine_->Drain(deadline);
  // Not left to gRPC's Shutdown: it would wait for those who watch health, too.
  service_.AwaitCalls(std::max(deadline, SteadyNow() + kSendGrace));
}

void App::CutShort() {
  cut_short_.Notify();
  if (engine_ != nullptr) engine_->Stop();  // jobs without a call, too
  // So that callers hear of it from us, and the log has what they heard: Shutdown would be faster.
  service_.AwaitCalls(SteadyNow() + kSendGrace);
  Close();
}

void App::Close() { server_->Shutdown(std::chrono::system_clock::now()); }

void App::RefreshSecrets() {
  if (!refresher_.has_value()) return;
  asked_to_refresh_ = true;
  refresher_->SweepNow();
}

}  // namespace easel

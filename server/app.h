// The server whole: builds its parts, opens and closes the doors, and takes everything down in the right
// order. main and the end-to-end tests use it alike.
#pragma once

#include <grpcpp/server.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/address.h"
#include "server/connection_limits.h"
#include "server/engine/cpu_layout.h"
#include "server/engine/engine.h"
#include "server/inference/inference_service.h"
#include "server/load_models.h"
#include "server/metrics/prometheus_observer.h"
#include "server/model_health.h"
#include "server/secrets.h"
#include "server/service/authenticator.h"
#include "server/service/image_generation_service.h"
#include "server/service/sweeper.h"
#include "server/sync/steady_now.h"
#include "server/sync/thread_pool.h"

namespace easel {

class App {
 public:
  struct Options {
    Address listen = {"127.0.0.1", 50051};
    std::optional<Address> metrics_listen;  // none: no page of metrics
    bool reflection = false;
    RequestLimits limits;
    int codec_threads = 1;
    std::string version;
    std::function<void(const CallRecord&)> log = [](const CallRecord&) {};
    GenerationStore::Options keep;
    absl::Duration stall_timeout = absl::Seconds(30);
    bool trust_tenant_header = false;
    SecretFiles secrets;
    absl::Duration refresh_secrets = absl::Seconds(10);  // how often they are looked at
    ConnectionLimits connections;
    std::function<absl::Time()> now = SteadyNow;  // the service's clock
  };

  // Opens the doors: health says NOT_SERVING, and calls are UNAVAILABLE, until Serve. Unavailable naming the
  // address that is in use, InvalidArgument naming one that cannot be had at all, or the file of secrets that
  // is wrong.
  static absl::StatusOr<std::unique_ptr<App>> Listen(Options options);
  ~App();  // drains at once

  // Builds the engine and begins to serve. `engine`'s layout and observer are set here. At most once.
  void Serve(std::vector<LoadedModel> models, CpuLayout layout, EngineOptions engine);

  // Health says NOT_SERVING, new work is UNAVAILABLE; waits for what runs, fails with UNAVAILABLE what is not
  // done by the deadline, and gives those who listen a second to read what they were sent. Blocks. One
  // thread, once; nothing works after it. The doors stay open until this, or the process, ends, so that who
  // comes late is told UNAVAILABLE, too: once gRPC's Shutdown has begun, it answers CANCELLED on connections
  // that are left.
  void Drain(absl::Time deadline);
  // Fails all jobs at their next step, cancels the calls that have not ended a second later, and closes the
  // doors, so that a Drain under way ends. Any thread, but not beside Serve; at most once.
  void CutShort();
  // Has certificates and keys read again, soon, on a thread for it; the log has what came of it. Any thread.
  void RefreshSecrets();

  // HOST:PORT, with the ports that were chosen; "off" where there is no page of metrics.
  std::string address() const { return options_.listen.ToString(); }
  std::string metrics_address() const {
    return options_.metrics_listen.has_value() ? options_.metrics_listen->ToString() : "off";
  }

 private:
  // What the engine tells goes into the metrics, and what it loses into health, too.
  class Observer : public PrometheusObserver {
   public:
    Observer(const std::string& version, ModelHealth* health)
        : PrometheusObserver(version), health_(health) {}
    void OnModelDown(std::string_view model) override {
      PrometheusObserver::OnModelDown(model);
      health_->Down(model);
    }

   private:
    ModelHealth* const health_;
  };

  explicit App(Options options);
  absl::Status OpenDoors();
  // Drain, but for its goodbye.
  void EndWork(absl::Time deadline);
  // Fails the jobs and cancels the calls that are left.
  void Close();

  Options options_;  // the ports are filled in by OpenDoors
  // In the order they are built; each is used by those below it.
  Authenticator authenticator_;
  ModelHealth health_;
  Observer metrics_;
  std::unique_ptr<Secrets> secrets_;
  std::optional<ThreadPool> pool_;
  ImageGenerationService service_;
  InferenceService inference_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<grpc::Server> server_;
  absl::Notification cut_short_;
  std::atomic<bool> asked_to_refresh_ = false;
  std::optional<Sweeper> refresher_;  // of the secrets, where there are any
};

}  // namespace easel

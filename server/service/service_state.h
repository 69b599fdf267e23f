// What all calls of the service share.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/service/authenticator.h"
#include "server/service/calls_in_flight.h"
#include "server/service/generation_store.h"
#include "server/service/model_description.h"
#include "server/service/service_observer.h"
#include "server/sync/steady_now.h"
#include "server/sync/thread_pool.h"

namespace easel {

// The engine appears once the models are loaded; the rest is constant.
struct ServiceState {
  RequestLimits limits;
  ThreadPool* pool = nullptr;                  // for pictures and files
  ServiceObserver* observer = nullptr;         // metrics
  std::function<void(const CallRecord&)> log;  // one line a call
  std::function<absl::Time()> now = SteadyNow;
  const Authenticator* authenticator = nullptr;  // whose a call is
  std::shared_ptr<GenerationStore> store;        // not null
  std::atomic<Engine*> engine = nullptr;
  std::atomic<bool> draining = false;
  CallsInFlight calls;
  // Wakes readers, who serialize and write: a worker that did so would keep a device waiting for gRPC. One
  // thread, which picks up all that a turn of the worker woke. Outlives every call;
  // last: what it still runs may need the others.
  ThreadPool courier{1};
};

// UNAVAILABLE, with when to try again, while starting.
absl::StatusOr<Engine*> EngineOf(const ServiceState& state);

// Metrics and log hear how a call ended, and its trailing metadata when to try again, unless `context` is
// null; its status, as gRPC takes it. To be given to Finish.
grpc::Status Told(const ServiceState& state, const CallRecord& record, grpc::CallbackServerContext* context);

}  // namespace easel

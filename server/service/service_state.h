// What all calls of the service share.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/image/codec_pool.h"
#include "server/service/authenticator.h"
#include "server/service/calls_in_flight.h"
#include "server/service/generation_store.h"
#include "server/service/model_description.h"
#include "server/service/service_observer.h"

namespace easel {

// The engine appears once the models are loaded; the rest is constant.
struct ServiceState {
  RequestLimits limits;
  CodecPool* pool = nullptr;
  ServiceObserver* observer = nullptr;         // metrics
  std::function<void(const CallRecord&)> log;  // one line a call
  std::function<absl::Time()> now = absl::Now;
  const Authenticator* authenticator = nullptr;  // whose a call is
  std::shared_ptr<GenerationStore> store;        // not null
  std::atomic<Engine*> engine = nullptr;
  std::atomic<bool> draining = false;
  CallsInFlight calls;
};

// UNAVAILABLE, with when to try again, while starting.
absl::StatusOr<Engine*> EngineOf(const ServiceState& state);

// Metrics and log hear how a call ended, and its trailing metadata when to try again, unless `context` is
// null; its status, as gRPC takes it. To be given to Finish.
grpc::Status Told(const ServiceState& state, const CallRecord& record, grpc::CallbackServerContext* context);

}  // namespace easel

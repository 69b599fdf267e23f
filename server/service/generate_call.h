// One generation call apart from how its answers travel, which is its reactor's affair (generate_reactor.h):
// admission, the stream of its events, and what is told of it when it has ended.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/engine/engine.h"
#include "server/image/codec_pool.h"
#include "server/service/calls_in_flight.h"
#include "server/service/event_stream.h"
#include "server/service/proto_conversion.h"
#include "server/service/service_observer.h"

namespace easel {

// What all calls share. The engine appears once the models are loaded.
struct ServiceState {
  RequestLimits limits;
  CodecPool* pool = nullptr;
  ServiceObserver* observer = nullptr;         // metrics
  std::function<void(const CallRecord&)> log;  // one line a call
  std::function<absl::Time()> now = absl::Now;
  std::atomic<Engine*> engine = nullptr;
  std::atomic<bool> draining = false;
  CallsInFlight calls;
};

// UNAVAILABLE, with when to try again, while starting.
absl::StatusOr<Engine*> EngineOf(const ServiceState& state);

class GenerateCall {
 public:
  // Validates the request and submits it; a refusal is what Next gives. `context` and `state` must outlive
  // the call.
  GenerateCall(ServiceState* state, const grpc::CallbackServerContext& context,
               const grpc::ByteBuffer& request, Answer answer, std::function<void()> wake);
  // REQUIRES: End was called.
  ~GenerateCall();
  GenerateCall(const GenerateCall&) = delete;
  GenerateCall& operator=(const GenerateCall&) = delete;

  // As EventStream::Next, with its rule of turns.
  EventStream::Item Next();
  // The caller has gone, or its deadline has passed. Any thread, but not before the constructor returned.
  void Cancel();
  // Tells metrics and log how it ended. Once, with the status that Next gave.
  grpc::Status End(const absl::Status& status);

  const std::string& generation_id() const { return record_.generation_id; }

 private:
  absl::Status Admit(const grpc::ByteBuffer& request, Answer answer, std::function<void()> wake);

  ServiceState* const state_;
  const absl::Time arrived_;
  const absl::Time deadline_;
  CallRecord record_;
  std::shared_ptr<EventStream> events_;  // null: refused
  absl::Status refusal_;
};

}  // namespace easel

// One call that follows a generation, apart from how its answers travel, which is its reactor's affair
// (generate_reactor.h): admission, the stream of events, and what is told of it when it has ended.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/service/event_stream.h"
#include "server/service/service_observer.h"
#include "server/service/service_state.h"

namespace easel {

class GenerateCall {
 public:
  // The last two: server/inference, which brings its requests in the words of this service.
  enum class Rpc { kGenerateStream, kGenerate, kWatch, kModelInfer, kModelStreamInfer };

  // Starts, joins or finds the generation; a refusal, be it that of `request`, is what Next gives. `context`
  // and `state` must outlive the call. `wake`: as EventStream's, but on the courier's thread. `deadline`: of
  // the work, beside the call's own.
  GenerateCall(Rpc rpc, ServiceState* state, grpc::CallbackServerContext* context,
               const absl::StatusOr<grpc::ByteBuffer>& request, std::function<void()> wake,
               absl::Time deadline = absl::InfiniteFuture());
  // REQUIRES: End was called.
  ~GenerateCall();
  GenerateCall(const GenerateCall&) = delete;
  GenerateCall& operator=(const GenerateCall&) = delete;

  // As EventStream::Next, with its rule of turns.
  EventStream::Item Next();
  // As EventStream::Written.
  void Written() {
    if (events_ != nullptr) events_->Written();
  }
  // The caller has gone, or its deadline has passed. Any thread, but not before the constructor returned.
  void Leave();
  // Tells metrics, log and the caller's metadata how it ended. Once, with the status that Next gave; what
  // comes back is for Finish.
  grpc::Status End(const absl::Status& status);

  const std::string& generation_id() const { return record_.generation_id; }
  // Complete once End was called.
  const CallRecord& record() const { return record_; }

 private:
  absl::StatusOr<std::shared_ptr<Generation>> Admit(Rpc rpc, const absl::StatusOr<grpc::ByteBuffer>& request);

  ServiceState* const state_;
  grpc::CallbackServerContext* const context_;
  const bool has_context_alone_;  // not so: its trailing metadata is of all calls of the stream
  const absl::Time arrived_;
  const absl::Time deadline_;
  CallRecord record_;
  std::unique_ptr<EventStream> events_;  // null: refused
  absl::Status refusal_;
};

}  // namespace easel

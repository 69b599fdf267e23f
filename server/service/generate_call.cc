#include "server/service/generate_call.h"

#include <algorithm>
#include <utility>

#include "model/io/status_macros.h"
#include "server/service/call_metadata.h"
#include "server/service/start_generation.h"
#include "server/service/wire.h"

namespace easel {
namespace {

std::string_view NameOf(GenerateCall::Rpc rpc) {
  switch (rpc) {
    case GenerateCall::Rpc::kGenerateStream:
      return "GenerateStream";
    case GenerateCall::Rpc::kGenerate:
      return "Generate";
    case GenerateCall::Rpc::kWatch:
      return "WatchGeneration";
    case GenerateCall::Rpc::kModelInfer:
      return "ModelInfer";
    case GenerateCall::Rpc::kModelStreamInfer:
      return "ModelStreamInfer";
  }
  return "";
}

}  // namespace

GenerateCall::GenerateCall(Rpc rpc, ServiceState* state, grpc::CallbackServerContext* context,
                           const absl::StatusOr<grpc::ByteBuffer>& request, std::function<void()> wake,
                           absl::Time deadline)
    : state_(state),
      context_(context),
      has_context_alone_(rpc != Rpc::kModelStreamInfer),
      arrived_(state->now()),
      deadline_(std::min(deadline, DeadlineOf(*context))) {
  record_.rpc = NameOf(rpc);
  record_.peer = context->peer();
  record_.traceparent = TraceparentOf(*context);
  state_->calls.Began();
  state_->observer->OnCallBegan(record_.rpc);
  auto generation = Admit(rpc, request);
  refusal_ = generation.status();
  if (!generation.ok()) return;
  Generation::ReaderOptions reader;
  reader.wake = [courier = &state->courier, wake = std::move(wake)] { courier->Submit(wake); };
  reader.close = [context] { context->TryCancel(); };
  reader.owns = rpc != Rpc::kWatch;
  events_ = std::make_unique<EventStream>(*std::move(generation), std::move(reader));
}

GenerateCall::~GenerateCall() { state_->calls.Ended(); }

absl::StatusOr<std::shared_ptr<Generation>> GenerateCall::Admit(
    Rpc rpc, const absl::StatusOr<grpc::ByteBuffer>& request) {
  EASEL_ASSIGN_OR_RETURN(const Caller caller, state_->authenticator->CallerOf(*context_));
  record_.tenant = caller.tenant;
  EASEL_RETURN_IF_ERROR(request.status());
  if (rpc == Rpc::kWatch) {
    EASEL_ASSIGN_OR_RETURN(const auto watch, Parse<v1::WatchGenerationRequest>(*request));
    return FindGeneration(*state_, caller.tenant, watch.id(), &record_);
  }
  StartOptions options;
  options.answer =
      rpc == Rpc::kGenerateStream || rpc == Rpc::kModelStreamInfer ? Answer::kStream : Answer::kUnary;
  options.caller = caller;
  options.arrived = arrived_;
  options.deadline = deadline_;
  return StartGeneration(state_, *request, options, &record_);
}

EventStream::Item GenerateCall::Next() {
  if (events_ == nullptr) return refusal_;
  return events_->Next();
}

void GenerateCall::Leave() {
  if (events_ == nullptr) return;
  // A caller cancels when its deadline passes; as gRPC rounds it up on its way here, that is a little before
  // ours.
  const bool late =
      deadline_ < absl::InfiniteFuture() && state_->now() >= deadline_ - (deadline_ - arrived_) / 20;
  events_->Leave(late ? absl::DeadlineExceededError("the call's deadline has passed")
                      : absl::CancelledError("the caller has gone"));
}

grpc::Status GenerateCall::End(const absl::Status& status) {
  record_.status = status;
  record_.seconds = absl::ToDoubleSeconds(state_->now() - arrived_);
  if (events_ != nullptr) record_.accounting = events_->generation().accounting();
  return Told(*state_, record_, has_context_alone_ ? context_ : nullptr);
}

}  // namespace easel

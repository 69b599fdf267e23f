#include "server/service/generate_call.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/io/status_macros.h"
#include "server/service/status_conversion.h"
#include "server/service/wire.h"

namespace easel {
namespace {

// From the system's own source, for names must not be guessed.
uint64_t Random() {
  std::random_device source;
  return (uint64_t{source()} << 32) | source();
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture()
                                                                  : absl::FromChrono(deadline);
}

// Only what has the form of a W3C trace context goes into the log.
std::string TraceparentOf(const grpc::CallbackServerContext& context) {
  constexpr size_t kLength = 55;
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("traceparent");
  if (found == metadata.end() || found->second.size() != kLength) return "";
  std::string value(found->second.data(), found->second.size());
  const bool good = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
  });
  return good ? value : "";
}

}  // namespace

absl::StatusOr<Engine*> EngineOf(const ServiceState& state) {
  Engine* engine = state.engine.load();
  if (engine != nullptr) return engine;
  return FromEngine(absl::UnavailableError("the server is starting: its models are being loaded"));
}

GenerateCall::GenerateCall(ServiceState* state, const grpc::CallbackServerContext& context,
                           const grpc::ByteBuffer& request, Answer answer, std::function<void()> wake)
    : state_(state), arrived_(state->now()), deadline_(DeadlineOf(context)) {
  record_.rpc = answer == Answer::kStream ? "GenerateStream" : "Generate";
  record_.generation_id = absl::StrFormat("%016x", Random());
  record_.peer = context.peer();
  record_.traceparent = TraceparentOf(context);
  state_->calls.Began();
  state_->observer->OnCallBegan(record_.rpc);
  refusal_ = Admit(request, answer, std::move(wake));
  if (!refusal_.ok()) events_ = nullptr;
}

GenerateCall::~GenerateCall() { state_->calls.Ended(); }

absl::Status GenerateCall::Admit(const grpc::ByteBuffer& bytes, Answer answer, std::function<void()> wake) {
  EASEL_ASSIGN_OR_RETURN(Engine* const engine, EngineOf(*state_));
  if (state_->draining) return FromEngine(absl::UnavailableError("the server is stopping"));
  EASEL_ASSIGN_OR_RETURN(const v1::GenerateRequest request, Parse<v1::GenerateRequest>(bytes));
  EASEL_ASSIGN_OR_RETURN(const ServedModel* const model, FindModel(request.model(), engine->models()));
  record_.model = model->name;
  EASEL_ASSIGN_OR_RETURN(GenerationPlan plan, ToPlan(request, *model, state_->limits, answer, Random()));
  record_.prompt = plan.resolved.prompt();
  record_.steps = plan.pictures.front().num_inference_steps;
  record_.width = plan.pictures.front().width;
  record_.height = plan.pictures.front().height;
  record_.num_images = static_cast<int>(plan.pictures.size());

  SubmitOptions options;
  options.deadline = deadline_;
  options.preview_every_n_steps = plan.preview_every_n_steps;
  options.preview_method = plan.preview_method;
  std::vector<GenerationSpec> specs = plan.pictures;
  events_ = std::make_shared<EventStream>(
      std::move(plan), EventStream::Options{record_.generation_id, arrived_, state_->now, state_->pool,
                                            state_->observer, std::move(wake)});
  std::vector<PictureRequest> pictures;
  for (size_t i = 0; i < specs.size(); ++i) {
    pictures.push_back({std::move(specs[i]), events_->Listener(static_cast<int>(i))});
  }
  auto handles = engine->Submit(model->name, std::move(pictures), options);
  if (!handles.ok()) return FromEngine(handles.status());
  events_->Begin(*std::move(handles));
  return absl::OkStatus();
}

EventStream::Item GenerateCall::Next() {
  if (events_ == nullptr) return refusal_;
  return events_->Next();
}

void GenerateCall::Cancel() {
  if (events_ == nullptr) return;
  // A caller cancels when its deadline passes; as gRPC rounds it up on its way here, that is a little before
  // ours.
  const bool late =
      deadline_ < absl::InfiniteFuture() && state_->now() >= deadline_ - (deadline_ - arrived_) / 20;
  events_->Cancel(late ? absl::DeadlineExceededError("the call's deadline has passed")
                       : absl::CancelledError("the caller has gone"));
}

grpc::Status GenerateCall::End(const absl::Status& status) {
  record_.status = status;
  record_.seconds = absl::ToDoubleSeconds(state_->now() - arrived_);
  if (events_ != nullptr) record_.accounting = events_->accounting();
  state_->observer->OnCallEnded(record_);
  state_->log(record_);
  return ToGrpcStatus(status);
}

}  // namespace easel

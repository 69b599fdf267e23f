#include "server/service/image_generation_service.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/io/status_macros.h"
#include "server/service/call_metadata.h"
#include "server/service/generate_reactor.h"
#include "server/service/start_generation.h"
#include "server/service/wire.h"

namespace easel {
namespace {

constexpr absl::Duration kSweepEvery = absl::Seconds(1);

// Of a Get- or CancelGenerationRequest.
template <typename Request>
absl::StatusOr<std::shared_ptr<Generation>> FindFor(const ServiceState& state, const Caller& caller,
                                                    const grpc::ByteBuffer& bytes, CallRecord* record) {
  EASEL_ASSIGN_OR_RETURN(const Request request, Parse<Request>(bytes));
  return FindGeneration(state, caller.tenant, request.id(), record);
}

}  // namespace

ImageGenerationService::ImageGenerationService(const Options& options)
    : stall_timeout_(options.stall_timeout) {
  state_.limits = options.limits;
  state_.pool = options.pool;
  state_.observer = options.observer;
  state_.log = options.log;
  state_.now = options.now;
  state_.authenticator = options.authenticator;
  state_.store = std::make_shared<GenerationStore>(options.keep);
  sweeper_.emplace(kSweepEvery, [this] { Sweep(); });
}

void ImageGenerationService::Sweep() {
  const absl::Time now = state_.now();
  state_.store->Expire(now);
  const absl::Status reason = absl::CancelledError(
      absl::StrCat("the caller has read nothing for ", absl::FormatDuration(stall_timeout_)));
  for (const auto& generation : state_.store->Alive()) generation->CloseStalled(now - stall_timeout_, reason);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ImageGenerationService::GenerateStream(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return new GenerateStreamReactor(GenerateCall::Rpc::kGenerateStream, &state_, context, *request);
}

grpc::ServerUnaryReactor* ImageGenerationService::Generate(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return new GenerateUnaryReactor(&state_, context, *request, response);
}

grpc::ServerUnaryReactor* ImageGenerationService::SubmitGeneration(grpc::CallbackServerContext* context,
                                                                   const grpc::ByteBuffer* request,
                                                                   grpc::ByteBuffer* response) {
  return Answered(context, "SubmitGeneration", response,
                  [&](const Caller& caller, CallRecord* record) -> absl::StatusOr<grpc::ByteBuffer> {
                    StartOptions options;
                    options.caller = caller;
                    options.arrived = state_.now();
                    options.detach = true;
                    EASEL_ASSIGN_OR_RETURN(const auto generation,
                                           StartGeneration(&state_, *request, options, record));
                    return Serialize(generation->Snapshot(state_.store->keep()));
                  });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ImageGenerationService::WatchGeneration(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return new GenerateStreamReactor(GenerateCall::Rpc::kWatch, &state_, context, *request);
}

grpc::ServerUnaryReactor* ImageGenerationService::GetGeneration(grpc::CallbackServerContext* context,
                                                                const grpc::ByteBuffer* request,
                                                                grpc::ByteBuffer* response) {
  return Answered(context, "GetGeneration", response,
                  [&](const Caller& caller, CallRecord* record) -> absl::StatusOr<grpc::ByteBuffer> {
                    EASEL_ASSIGN_OR_RETURN(const auto generation, FindFor<v1::GetGenerationRequest>(
                                                                      state_, caller, *request, record));
                    return Serialize(generation->Snapshot(state_.store->keep()));
                  });
}

grpc::ServerUnaryReactor* ImageGenerationService::CancelGeneration(grpc::CallbackServerContext* context,
                                                                   const grpc::ByteBuffer* request,
                                                                   grpc::ByteBuffer* response) {
  return Answered(context, "CancelGeneration", response,
                  [&](const Caller& caller, CallRecord* record) -> absl::StatusOr<grpc::ByteBuffer> {
                    EASEL_ASSIGN_OR_RETURN(const auto generation, FindFor<v1::CancelGenerationRequest>(
                                                                      state_, caller, *request, record));
                    generation->Cancel(absl::CancelledError("CancelGeneration was called"));
                    return Serialize(generation->Snapshot(state_.store->keep()));
                  });
}

grpc::ServerUnaryReactor* ImageGenerationService::ListModels(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer*,
                                                             grpc::ByteBuffer* response) {
  return Answered(context, "ListModels", response,
                  [&](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> {
                    EASEL_ASSIGN_OR_RETURN(Engine* const engine, EngineOf(state_));
                    v1::ListModelsResponse models;
                    for (const ServedModel& model : engine->models()) {
                      *models.add_models() = ToProto(model, state_.limits);
                    }
                    return Serialize(models);
                  });
}

grpc::ServerUnaryReactor* ImageGenerationService::GetModel(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return Answered(
      context, "GetModel", response, [&](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> {
        EASEL_ASSIGN_OR_RETURN(Engine* const engine, EngineOf(state_));
        EASEL_ASSIGN_OR_RETURN(const auto parsed, Parse<v1::GetModelRequest>(*request));
        EASEL_ASSIGN_OR_RETURN(const ServedModel* const model, FindModel(parsed.name(), engine->models()));
        return Serialize(ToProto(*model, state_.limits));
      });
}

grpc::ServerUnaryReactor* ImageGenerationService::Answered(grpc::CallbackServerContext* context,
                                                           std::string_view rpc, grpc::ByteBuffer* response,
                                                           const AnswerOf& answer) {
  const absl::Time arrived = state_.now();
  CallRecord record;
  record.rpc = rpc;
  record.peer = context->peer();
  record.traceparent = TraceparentOf(*context);
  state_.observer->OnCallBegan(rpc);
  const absl::StatusOr<Caller> caller = state_.authenticator->CallerOf(*context);
  if (caller.ok()) record.tenant = caller->tenant;
  absl::StatusOr<grpc::ByteBuffer> bytes =
      caller.ok() ? answer(*caller, &record) : absl::StatusOr<grpc::ByteBuffer>(caller.status());
  record.status = bytes.status();
  record.seconds = absl::ToDoubleSeconds(state_.now() - arrived);
  if (bytes.ok()) {
    *response = *std::move(bytes);
    state_.observer->OnBytesSent(static_cast<int64_t>(response->Length()));
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(Told(state_, record, context));
  return reactor;
}

}  // namespace easel

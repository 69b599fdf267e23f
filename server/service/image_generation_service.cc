#include "server/service/image_generation_service.h"

#include "server/service/generate_reactor.h"
#include "server/service/status_conversion.h"
#include "server/service/wire.h"

namespace easel {

ImageGenerationService::ImageGenerationService(const Options& options) {
  state_.limits = options.limits;
  state_.pool = options.pool;
  state_.observer = options.observer;
  state_.log = options.log;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ImageGenerationService::GenerateStream(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return new GenerateStreamReactor(&state_, *context, *request);
}

grpc::ServerUnaryReactor* ImageGenerationService::Generate(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  return new GenerateUnaryReactor(&state_, *context, *request, response);
}

grpc::ServerUnaryReactor* ImageGenerationService::ListModels(grpc::CallbackServerContext* context,
                                                             const v1::ListModelsRequest*,
                                                             v1::ListModelsResponse* response) {
  const auto engine = EngineOf(state_);
  if (engine.ok()) {
    for (const ServedModel& model : (*engine)->models())
      *response->add_models() = ToProto(model, state_.limits);
  }
  return Answered(context, "ListModels", engine.status());
}

grpc::ServerUnaryReactor* ImageGenerationService::GetModel(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request,
                                                           grpc::ByteBuffer* response) {
  const auto answer = [&]() -> absl::Status {
    const auto engine = EngineOf(state_);
    if (!engine.ok()) return engine.status();
    const auto parsed = Parse<v1::GetModelRequest>(*request);
    if (!parsed.ok()) return parsed.status();
    const auto model = FindModel(parsed->name(), (*engine)->models());
    if (!model.ok()) return model.status();
    *response = Serialize(ToProto(**model, state_.limits));
    return absl::OkStatus();
  };
  return Answered(context, "GetModel", answer());
}

grpc::ServerUnaryReactor* ImageGenerationService::Answered(grpc::CallbackServerContext* context,
                                                           std::string_view rpc, const absl::Status& status) {
  CallRecord record;
  record.rpc = rpc;
  record.status = status;
  record.peer = context->peer();
  state_.observer->OnCallBegan(rpc);
  state_.observer->OnCallEnded(record);
  state_.log(record);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace easel

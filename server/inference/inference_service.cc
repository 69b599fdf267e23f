#include "server/inference/inference_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/io/status_macros.h"
#include "server/inference/infer_reactor.h"
#include "server/inference/infer_request.h"
#include "server/inference/model_metadata.h"
#include "server/inference/stream_reactor.h"
#include "server/service/wire.h"

namespace easel {
namespace {

constexpr const char* kExtensions[] = {"binary_tensor_data", "model_configuration", "model_repository",
                                       "parameters",         "schedule_policy",     "statistics"};

constexpr char kModelsAreFixed[] =
    "models are not loaded or unloaded while easeld runs: start it with --model";
constexpr char kNoSharedMemory[] = "there is no shared memory: tensors travel in the messages";
constexpr char kNoTraces[] = "there are no traces: /metrics and the log tell what each stage takes";
constexpr char kLogIsFixed[] = "the log is set by easeld's flags: --log-level, --log-format";

}  // namespace

InferenceService::InferenceService(ImageGenerationService* images,
                                   std::function<bool(std::string_view)> is_up, const std::string& version)
    : images_(images) {
  state_.service = images->state();
  state_.is_up = std::move(is_up);
  state_.version = version;
}

bool InferenceService::IsReady(std::string_view model) const {
  const Engine* engine = state_.service->engine.load();
  if (engine == nullptr || state_.service->draining) return false;
  const auto found = FindModel(model, engine->models());
  return found.ok() && state_.is_up((*found)->name);
}

bool InferenceService::IsReady() const {
  const Engine* engine = state_.service->engine.load();
  return engine != nullptr && std::any_of(engine->models().begin(), engine->models().end(),
                                          [this](const ServedModel& model) { return IsReady(model.name); });
}

absl::StatusOr<const ServedModel*> InferenceService::Find(const std::string& name,
                                                          const std::string& version) const {
  EASEL_ASSIGN_OR_RETURN(Engine* const engine, EngineOf(*state_.service));
  EASEL_RETURN_IF_ERROR(CheckVersion(version));
  return FindModel(name, engine->models());
}

InferenceService::Unary* InferenceService::ServerLive(Context* context, const Bytes*, Bytes* response) {
  return images_->Answered(context, "ServerLive", response, [](const Caller&, CallRecord*) {
    inference::ServerLiveResponse answer;
    answer.set_live(true);
    return Serialize(answer);
  });
}

InferenceService::Unary* InferenceService::ServerReady(Context* context, const Bytes*, Bytes* response) {
  return images_->Answered(context, "ServerReady", response, [this](const Caller&, CallRecord*) {
    inference::ServerReadyResponse answer;
    answer.set_ready(IsReady());
    return Serialize(answer);
  });
}

InferenceService::Unary* InferenceService::ModelReady(Context* context, const Bytes* request,
                                                      Bytes* response) {
  return images_->Answered(
      context, "ModelReady", response, [&](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> {
        EASEL_ASSIGN_OR_RETURN(const auto asked, Parse<inference::ModelReadyRequest>(*request));
        inference::ModelReadyResponse answer;
        answer.set_ready(CheckVersion(asked.version()).ok() && IsReady(asked.name()));
        return Serialize(answer);
      });
}

InferenceService::Unary* InferenceService::ServerMetadata(Context* context, const Bytes*, Bytes* response) {
  return images_->Answered(context, "ServerMetadata", response, [this](const Caller&, CallRecord*) {
    inference::ServerMetadataResponse answer;
    answer.set_name("easel");
    answer.set_version(state_.version);
    for (const char* extension : kExtensions) answer.add_extensions(extension);
    return Serialize(answer);
  });
}

InferenceService::Unary* InferenceService::ModelMetadata(Context* context, const Bytes* request,
                                                         Bytes* response) {
  return images_->Answered(
      context, "ModelMetadata", response, [&](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> {
        EASEL_ASSIGN_OR_RETURN(const auto asked, Parse<inference::ModelMetadataRequest>(*request));
        EASEL_ASSIGN_OR_RETURN(const ServedModel* const model, Find(asked.name(), asked.version()));
        return Serialize(ToMetadata(*model));
      });
}

InferenceService::Unary* InferenceService::ModelInfer(Context* context, const Bytes* request,
                                                      Bytes* response) {
  return new InferReactor(&state_, context, *request, response);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* InferenceService::ModelStreamInfer(
    Context* context) {
  return StreamReactor::Start(&state_, context);
}

InferenceService::Unary* InferenceService::ModelConfig(Context* context, const Bytes* request,
                                                       Bytes* response) {
  return images_->Answered(
      context, "ModelConfig", response, [&](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> {
        EASEL_ASSIGN_OR_RETURN(const auto asked, Parse<inference::ModelConfigRequest>(*request));
        EASEL_ASSIGN_OR_RETURN(const ServedModel* const model, Find(asked.name(), asked.version()));
        inference::ModelConfigResponse answer;
        *answer.mutable_config() = ToConfig(*model, state_.service->limits);
        return Serialize(answer);
      });
}

InferenceService::Unary* InferenceService::ModelStatistics(Context* context, const Bytes* request,
                                                           Bytes* response) {
  return images_->Answered(
      context, "ModelStatistics", response, [&](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> {
        EASEL_ASSIGN_OR_RETURN(const auto asked, Parse<inference::ModelStatisticsRequest>(*request));
        EASEL_ASSIGN_OR_RETURN(const ServedModel* const found, Find(asked.name(), asked.version()));
        EASEL_ASSIGN_OR_RETURN(const Engine* const engine, EngineOf(*state_.service));
        inference::ModelStatisticsResponse answer;
        for (const ServedModel& model : engine->models()) {
          if (!asked.name().empty() && &model != found) continue;
          *answer.add_model_stats() = state_.statistics.Of(model.name);
        }
        return Serialize(answer);
      });
}

InferenceService::Unary* InferenceService::RepositoryIndex(Context* context, const Bytes* request,
                                                           Bytes* response) {
  return images_->Answered(
      context, "RepositoryIndex", response, [&](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> {
        EASEL_ASSIGN_OR_RETURN(const auto asked, Parse<inference::RepositoryIndexRequest>(*request));
        if (!asked.repository_name().empty()) {
          return absl::NotFoundError(absl::StrCat("repository_name: ", Quoted(asked.repository_name()),
                                                  " given; there is one repository, without a name"));
        }
        EASEL_ASSIGN_OR_RETURN(const Engine* const engine, EngineOf(*state_.service));
        inference::RepositoryIndexResponse answer;
        for (const ServedModel& model : engine->models()) {
          const bool ready = IsReady(model.name);
          if (asked.ready() && !ready) continue;
          auto* entry = answer.add_models();
          entry->set_name(model.name);
          entry->set_version(kModelVersion);
          entry->set_state(ready ? "READY" : "UNAVAILABLE");
          if (!ready)
            entry->set_reason(state_.service->draining ? "the server is stopping" : "its devices are lost");
        }
        return Serialize(answer);
      });
}

#define EASEL_UNIMPLEMENTED(Method, why)                                                                \
  InferenceService::Unary* InferenceService::Method(Context* context, const Bytes*, Bytes* response) {  \
    return images_->Answered(                                                                           \
        context, #Method, response,                                                                     \
        [](const Caller&, CallRecord*) -> absl::StatusOr<grpc::ByteBuffer> { return absl::UnimplementedError(why); }); \
  }
EASEL_UNIMPLEMENTED(RepositoryModelLoad, kModelsAreFixed)
EASEL_UNIMPLEMENTED(RepositoryModelUnload, kModelsAreFixed)
EASEL_UNIMPLEMENTED(SystemSharedMemoryStatus, kNoSharedMemory)
EASEL_UNIMPLEMENTED(SystemSharedMemoryRegister, kNoSharedMemory)
EASEL_UNIMPLEMENTED(SystemSharedMemoryUnregister, kNoSharedMemory)
EASEL_UNIMPLEMENTED(CudaSharedMemoryStatus, kNoSharedMemory)
EASEL_UNIMPLEMENTED(CudaSharedMemoryRegister, kNoSharedMemory)
EASEL_UNIMPLEMENTED(CudaSharedMemoryUnregister, kNoSharedMemory)
EASEL_UNIMPLEMENTED(TraceSetting, kNoTraces)
EASEL_UNIMPLEMENTED(LogSettings, kLogIsFixed)
#undef EASEL_UNIMPLEMENTED

}  // namespace easel

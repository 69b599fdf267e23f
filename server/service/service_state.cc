#include "server/service/service_state.h"

#include "server/service/status_conversion.h"

namespace easel {

absl::StatusOr<Engine*> EngineOf(const ServiceState& state) {
  Engine* engine = state.engine.load();
  if (engine != nullptr) return engine;
  return FromEngine(absl::UnavailableError("the server is starting: its models are being loaded"));
}

grpc::Status Told(const ServiceState& state, const CallRecord& record, grpc::CallbackServerContext* context) {
  state.observer->OnCallEnded(record);
  state.log(record);
  if (context != nullptr) {
    for (const auto& [key, value] : PushbackOf(record.status)) context->AddTrailingMetadata(key, value);
  }
  return ToGrpcStatus(record.status);
}

}  // namespace easel

#include "server/inference/infer_reactor.h"

#include <variant>

#include "server/service/wire.h"

namespace easel {

InferReactor::InferReactor(InferenceState* state, grpc::CallbackServerContext* context,
                           const grpc::ByteBuffer& request, grpc::ByteBuffer* response)
    : state_(state),
      bytes_(response),
      call_(GenerateCall::Rpc::kModelInfer, state, context, request, [this] { Pump(); }) {
  Pump();
}

void InferReactor::Pump() {
  if (!call_.decodes()) return Ask();
  state_->service->pool->Submit([this] { Ask(); });
}

void InferReactor::Ask() {
  InferCall::Item item = call_.Next();
  while (const auto* response = std::get_if<InferCall::Response>(&item)) {
    *bytes_ = Serialize(response->message);
    state_->service->observer->OnBytesSent(static_cast<int64_t>(bytes_->Length()));
    item = call_.Next();
  }
  if (const auto* status = std::get_if<absl::Status>(&item)) Finish(call_.End(*status));
}

}  // namespace easel

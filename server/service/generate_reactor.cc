#include "server/service/generate_reactor.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "server/service/event_conversion.h"
#include "server/service/wire.h"

namespace easel {

GenerateStreamReactor::GenerateStreamReactor(GenerateCall::Rpc rpc, ServiceState* state,
                                             grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer& request)
    : state_(state), call_(rpc, state, context, request, [this] { Pump(); }) {
  Pump();
}

void GenerateStreamReactor::OnWriteDone(bool ok) {
  if (!ok) call_.Leave();  // nobody reads any more
  Pump();
}

void GenerateStreamReactor::Pump() {
  EventStream::Item item = call_.Next();
  if (const auto* event = std::get_if<v1::GenerationEvent>(&item)) {
    message_ = Serialize(*event);
    state_->observer->OnBytesSent(static_cast<int64_t>(message_.Length()));
    StartWrite(&message_);
  } else if (const auto* status = std::get_if<absl::Status>(&item)) {
    Finish(call_.End(*status));
  }
}

GenerateUnaryReactor::GenerateUnaryReactor(ServiceState* state, grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer& request, grpc::ByteBuffer* response)
    : state_(state),
      bytes_(response),
      call_(GenerateCall::Rpc::kGenerate, state, context, request, [this] { Pump(); }) {
  Pump();
}

void GenerateUnaryReactor::Pump() {
  EventStream::Item item = call_.Next();
  while (auto* event = std::get_if<v1::GenerationEvent>(&item)) {
    Collect(std::move(*event), &response_);
    item = call_.Next();
  }
  const auto* status = std::get_if<absl::Status>(&item);
  if (status == nullptr) return;
  if (status->ok()) {
    response_.set_generation_id(call_.generation_id());
    std::sort(response_.mutable_images()->begin(), response_.mutable_images()->end(),
              [](const auto& a, const auto& b) { return a.index() < b.index(); });
    *bytes_ = Serialize(response_);
    state_->observer->OnBytesSent(static_cast<int64_t>(bytes_->Length()));
  }
  Finish(call_.End(*status));
}

}  // namespace easel

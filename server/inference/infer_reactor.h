// ModelInfer: waits for an inference's final response and answers with it.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/inference/infer_call.h"

namespace easel {

// No lock: whoever has the turn (EventStream::Next) pumps. Deletes itself when gRPC is done with it.
class InferReactor final : public grpc::ServerUnaryReactor {
 public:
  // `state` and `context` outlive the call, `request` this constructor, `response` lives until OnDone.
  InferReactor(InferenceState* state, grpc::CallbackServerContext* context,
               const grpc::ByteBuffer& request, grpc::ByteBuffer* response);
  void OnCancel() override { call_.Leave(); }
  void OnDone() override { delete this; }

 private:
  void Pump();
  void Ask();

  InferenceState* const state_;
  grpc::ByteBuffer* const bytes_;
  InferCall call_;
};

}  // namespace easel

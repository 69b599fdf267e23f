// How the answers of a call that follows a generation travel: one write in flight, and the end exactly once.
// No lock: whoever has the turn (EventStream::Next) pumps, be it gRPC's thread after a write or the courier's
// when there is something new; Finish ends the turns. Each deletes itself when gRPC is done with it.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "easel/v1/image_generation.pb.h"
#include "server/service/generate_call.h"

namespace easel {

// GenerateStream and WatchGeneration.
class GenerateStreamReactor final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // `state` and `context` outlive the call, `request` this constructor.
  GenerateStreamReactor(GenerateCall::Rpc rpc, ServiceState* state, grpc::CallbackServerContext* context,
                        const grpc::ByteBuffer& request);
  void OnWriteDone(bool ok) override;
  void OnCancel() override { call_.Leave(); }
  void OnDone() override { delete this; }

 private:
  void Pump();

  ServiceState* const state_;
  grpc::ByteBuffer message_;  // of the write in flight
  GenerateCall call_;
};

class GenerateUnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  // `response` lives until OnDone.
  GenerateUnaryReactor(ServiceState* state, grpc::CallbackServerContext* context,
                       const grpc::ByteBuffer& request, grpc::ByteBuffer* response);
  void OnCancel() override { call_.Leave(); }
  void OnDone() override { delete this; }

 private:
  void Pump();

  ServiceState* const state_;
  grpc::ByteBuffer* const bytes_;
  v1::GenerateResponse response_;
  GenerateCall call_;
};

}  // namespace easel

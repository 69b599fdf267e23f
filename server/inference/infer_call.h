// One inference: its request, the generation that answers it, and that one's events as responses. How they
// travel is its reactor's affair (infer_reactor.h, stream_reactor.h).
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"
#include "inference/grpc_service.pb.h"
#include "server/inference/infer_request.h"
#include "server/inference/inference_state.h"
#include "server/service/generate_call.h"

namespace easel {

class InferCall {
 public:
  // monostate: nothing now. A response: send it and ask again. A status: the end, OK after the final
  // response.
  struct Response {
    inference::ModelInferResponse message;
    bool final = false;  // else a preview
  };
  using Item = std::variant<std::monostate, Response, absl::Status>;

  // Starts it; a refusal is what Next gives. `rpc` is kModelInfer or kModelStreamInfer; `state` and `context`
  // outlive this. `wake` as GenerateCall's.
  InferCall(GenerateCall::Rpc rpc, InferenceState* state, grpc::CallbackServerContext* context,
            const grpc::ByteBuffer& request, std::function<void()> wake);

  // With EventStream::Next's rule of turns.
  Item Next();
  // As EventStream::Written.
  void Written() { call_.Written(); }
  // Next may have to decode pictures: it is asked on a thread of the codec pool.
  bool decodes() const { return asked_.parsed.ok() && asked_.parsed->image && asked_.parsed->image_raw; }
  // The caller has gone. Any thread.
  void Leave() { call_.Leave(); }
  // As GenerateCall::End; tells the statistics, too.
  grpc::Status End(const absl::Status& status);

  // The caller's; empty where the request could not be read.
  const std::string& id() const { return asked_.id; }

 private:
  struct Asked {
    std::string id, model;
    absl::StatusOr<InferRequest> parsed;
  };
  struct Picture {
    uint64_t seed = 0;
    int step = 0;
    int width = 0, height = 0;
    std::string_view data;
  };
  static Asked Read(GenerateCall::Rpc rpc, const grpc::ByteBuffer& request);

  Response Preview(const v1::GenerationEvent& event);
  Response Final();
  // The outputs asked for. What goes wrong is failure_.
  inference::ModelInferResponse Respond(const std::vector<Picture>& pictures);
  void AddPixels(const std::vector<Picture>& pictures, inference::ModelInferResponse* response);

  InferenceState* const state_;
  const Asked asked_;
  v1::GenerateResponse collected_;  // so far
  absl::Status failure_;            // instead of the generation's OK
  GenerateCall call_;
};

}  // namespace easel

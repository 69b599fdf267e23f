// The rpcs of easel.v1.ImageGeneration: one method, one reactor. Thread-safe, and no method blocks.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>

#include "absl/time/time.h"
#include "easel/v1/image_generation.grpc.pb.h"
#include "server/engine/engine.h"
#include "server/service/generate_call.h"

namespace easel {

// Calls that carry bytes are `raw`: wire.h says why.
using ImageGenerationMethods = v1::ImageGeneration::WithRawCallbackMethod_Generate<
    v1::ImageGeneration::WithRawCallbackMethod_GenerateStream<
        v1::ImageGeneration::WithRawCallbackMethod_GetModel<
            v1::ImageGeneration::WithCallbackMethod_ListModels<v1::ImageGeneration::Service>>>>;

class ImageGenerationService final : public ImageGenerationMethods {
 public:
  struct Options {
    RequestLimits limits;
    CodecPool* pool = nullptr;            // outlives every call
    ServiceObserver* observer = nullptr;  // likewise
    std::function<void(const CallRecord&)> log;
  };
  explicit ImageGenerationService(const Options& options);

  // From now on calls are carried out; before, they are UNAVAILABLE. `engine` outlives every call.
  void Serve(Engine* engine) { state_.engine = engine; }
  // From now on new work is UNAVAILABLE.
  void Refuse() { state_.draining = true; }
  // Blocks until no generation is under way, or the deadline has passed.
  void AwaitCalls(absl::Time deadline) { state_.calls.AwaitNone(deadline); }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerateStream(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* Generate(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;

 private:
  // Ends a call that is answered at once.
  grpc::ServerUnaryReactor* Answered(grpc::CallbackServerContext* context, std::string_view rpc,
                                     const absl::Status& status);

  ServiceState state_;
};

}  // namespace easel

// The rpcs of easel.v1.ImageGeneration: one method, one reactor. Thread-safe, and no method blocks.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "easel/v1/image_generation.grpc.pb.h"
#include "server/engine/engine.h"
#include "server/service/service_state.h"
#include "server/service/sweeper.h"
#include "server/sync/steady_now.h"

namespace easel {

// All are `raw`: wire.h says why.
using ImageGenerationMethods = v1::ImageGeneration::WithRawCallbackMethod_Generate<
    v1::ImageGeneration::WithRawCallbackMethod_GenerateStream<
        v1::ImageGeneration::WithRawCallbackMethod_SubmitGeneration<
            v1::ImageGeneration::WithRawCallbackMethod_WatchGeneration<
                v1::ImageGeneration::WithRawCallbackMethod_GetGeneration<
                    v1::ImageGeneration::WithRawCallbackMethod_CancelGeneration<
                        v1::ImageGeneration::WithRawCallbackMethod_ListModels<
                            v1::ImageGeneration::WithRawCallbackMethod_GetModel<
                                v1::ImageGeneration::Service>>>>>>>>;

class ImageGenerationService final : public ImageGenerationMethods {
 public:
  struct Options {
    RequestLimits limits;
    ThreadPool* pool = nullptr;           // outlives every call
    ServiceObserver* observer = nullptr;  // likewise
    std::function<void(const CallRecord&)> log;
    GenerationStore::Options keep;
    absl::Duration stall_timeout = absl::Seconds(30);  // of one write
    const Authenticator* authenticator = nullptr;      // likewise
    std::function<absl::Time()> now = SteadyNow;
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
  grpc::ServerUnaryReactor* SubmitGeneration(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchGeneration(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetGeneration(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CancelGeneration(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;

  // For who offers the same by another protocol (server/inference).
  ServiceState* state() { return &state_; }
  // A call that is answered at once, by what `answer` gives or refuses to a caller that may ask; it fills in
  // what the record tells beside the tenant.
  using AnswerOf = std::function<absl::StatusOr<grpc::ByteBuffer>(const Caller&, CallRecord*)>;
  grpc::ServerUnaryReactor* Answered(grpc::CallbackServerContext* context, std::string_view rpc,
                                     grpc::ByteBuffer* response, const AnswerOf& answer);

 private:
  // What falls due by time alone: results that were kept long enough, and readers that do not read.
  void Sweep();

  const absl::Duration stall_timeout_;
  ServiceState state_;
  std::optional<Sweeper> sweeper_;
};

}  // namespace easel

// The rpcs of inference.GRPCInferenceService, for clients of the Open Inference Protocol: another door to
// what ImageGenerationService does, by its rules. Thread-safe, and no method blocks.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/inference/inference_state.h"
#include "server/service/image_generation_service.h"

namespace easel {

// Base with each of the methods put around it.
template <typename Base, template <typename> class... Methods>
struct Methods_ {
  using Type = Base;
};
template <typename Base, template <typename> class Method, template <typename> class... Rest>
struct Methods_<Base, Method, Rest...> {
  using Type = Method<typename Methods_<Base, Rest...>::Type>;
};

// All are `raw`: server/service/wire.h says why.
using Oip = inference::GRPCInferenceService;
using InferenceMethods =
    Methods_<Oip::Service, Oip::WithRawCallbackMethod_ServerLive, Oip::WithRawCallbackMethod_ServerReady,
             Oip::WithRawCallbackMethod_ModelReady, Oip::WithRawCallbackMethod_ServerMetadata,
             Oip::WithRawCallbackMethod_ModelMetadata, Oip::WithRawCallbackMethod_ModelInfer,
             Oip::WithRawCallbackMethod_ModelStreamInfer, Oip::WithRawCallbackMethod_ModelConfig,
             Oip::WithRawCallbackMethod_ModelStatistics, Oip::WithRawCallbackMethod_RepositoryIndex,
             Oip::WithRawCallbackMethod_RepositoryModelLoad, Oip::WithRawCallbackMethod_RepositoryModelUnload,
             Oip::WithRawCallbackMethod_SystemSharedMemoryStatus,
             Oip::WithRawCallbackMethod_SystemSharedMemoryRegister,
             Oip::WithRawCallbackMethod_SystemSharedMemoryUnregister,
             Oip::WithRawCallbackMethod_CudaSharedMemoryStatus,
             Oip::WithRawCallbackMethod_CudaSharedMemoryRegister,
             Oip::WithRawCallbackMethod_CudaSharedMemoryUnregister, Oip::WithRawCallbackMethod_TraceSetting,
             Oip::WithRawCallbackMethod_LogSettings>::Type;

class InferenceService final : public InferenceMethods {
 public:
  // `images` outlives every call. `is_up`: whether a served model still has a device; any thread.
  InferenceService(ImageGenerationService* images, std::function<bool(std::string_view)> is_up,
                   const std::string& version);

  using Context = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  using Unary = grpc::ServerUnaryReactor;

  Unary* ServerLive(Context* context, const Bytes*, Bytes* response) override;
  Unary* ServerReady(Context* context, const Bytes*, Bytes* response) override;
  Unary* ModelReady(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ServerMetadata(Context* context, const Bytes*, Bytes* response) override;
  Unary* ModelMetadata(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ModelInfer(Context* context, const Bytes* request, Bytes* response) override;
  grpc::ServerBidiReactor<Bytes, Bytes>* ModelStreamInfer(Context* context) override;
  Unary* ModelConfig(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ModelStatistics(Context* context, const Bytes* request, Bytes* response) override;
  Unary* RepositoryIndex(Context* context, const Bytes* request, Bytes* response) override;

  Unary* RepositoryModelLoad(Context* context, const Bytes*, Bytes* response) override;
  Unary* RepositoryModelUnload(Context* context, const Bytes*, Bytes* response) override;
  Unary* SystemSharedMemoryStatus(Context* context, const Bytes*, Bytes* response) override;
  Unary* SystemSharedMemoryRegister(Context* context, const Bytes*, Bytes* response) override;
  Unary* SystemSharedMemoryUnregister(Context* context, const Bytes*, Bytes* response) override;
  Unary* CudaSharedMemoryStatus(Context* context, const Bytes*, Bytes* response) override;
  Unary* CudaSharedMemoryRegister(Context* context, const Bytes*, Bytes* response) override;
  Unary* CudaSharedMemoryUnregister(Context* context, const Bytes*, Bytes* response) override;
  Unary* TraceSetting(Context* context, const Bytes*, Bytes* response) override;
  Unary* LogSettings(Context* context, const Bytes*, Bytes* response) override;

 private:
  // Models that are loaded, taken for new work and not lost.
  bool IsReady(std::string_view model) const;
  bool IsReady() const;
  absl::StatusOr<const ServedModel*> Find(const std::string& name, const std::string& version) const;

  ImageGenerationService* const images_;
  InferenceState state_;
};

}  // namespace easel

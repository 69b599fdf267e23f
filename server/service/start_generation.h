// From a request's bytes to a generation: checked, joined to the one that it names, or given to the engine.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/service/generation.h"
#include "server/service/proto_conversion.h"
#include "server/service/service_state.h"

namespace easel {

struct StartOptions {
  Answer answer = Answer::kStream;
  Caller caller;
  absl::Time arrived;
  absl::Time deadline = absl::InfiniteFuture();  // of the call; the work's, unless it is detached
  bool detach = false;                           // whatever the request says
};

// Fills in `record` as far as it gets. Errors are the call's end.
absl::StatusOr<std::shared_ptr<Generation>> StartGeneration(ServiceState* state,
                                                            const grpc::ByteBuffer& request,
                                                            const StartOptions& options, CallRecord* record);

// One that there is, by the id of a Watch-, Get- or CancelGenerationRequest; NotFound.
absl::StatusOr<std::shared_ptr<Generation>> FindGeneration(const ServiceState& state, std::string_view tenant,
                                                           const std::string& id, CallRecord* record);

}  // namespace easel

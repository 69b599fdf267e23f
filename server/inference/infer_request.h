// From a ModelInferRequest to the request that easel.v1 would have had for the same pictures, and back from
// its errors. Pure functions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "easel/v1/image_generation.pb.h"
#include "inference/grpc_service.pb.h"
#include "server/service/proto_conversion.h"

namespace easel {

// The one version that every model has.
inline constexpr char kModelVersion[] = "1";
// Of the parameter `priority`: the lowest, and what stands for GenerateRequest.priority 0.
inline constexpr int kPriorityLevels = 201, kDefaultPriorityLevel = 101;

struct InferRequest {
  v1::GenerateRequest request;
  absl::Duration timeout = absl::InfiniteDuration();  // from the request's arrival
  // The outputs asked for.
  bool image = true, image_raw = false, seed = true, step = true;
};

// NotFound for what is neither kModelVersion nor empty, which means the same.
absl::Status CheckVersion(const std::string& version);

// Errors:
//   InvalidArgument  with a BadRequest of all tensors and parameters that are wrong in themselves; whether
//   the model
//                    can do what they ask for is left to ToPlan
//   NotFound         there is no such version
absl::StatusOr<InferRequest> ParseInferRequest(const inference::ModelInferRequest& request, Answer answer);

// A refusal of the request that ParseInferRequest made, which names that one's fields, with the tensors and
// parameters instead. Any other status as it is.
absl::Status InTensorWords(const absl::Status& status);

}  // namespace easel

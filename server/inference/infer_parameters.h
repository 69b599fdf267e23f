// The parameters of a ModelInferRequest: grpc_service.proto lists them. Pure functions.
#pragma once

#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/inference/infer_request.h"
#include "server/service/status_conversion.h"

namespace easel {

// Takes them into `request`, and adds what is wrong with any to `violations`, by name.
void ReadParameters(const inference::ModelInferRequest& from, Answer answer, InferRequest* request,
                    std::vector<FieldViolation>* violations);

}  // namespace easel

// What a served model is to this protocol. Pure functions.
#pragma once

#include "inference/grpc_service.pb.h"
#include "server/engine/engine.h"
#include "server/service/model_description.h"

namespace easel {

// The inputs that the model takes, and all outputs.
inference::ModelMetadataResponse ToMetadata(const ServedModel& model);

// The same, and what one may ask of it.
inference::ModelConfig ToConfig(const ServedModel& model, const RequestLimits& limits);

}  // namespace easel

// The one table: the class that a model_index.json names → what reads such a directory.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "absl/status/statusor.h"
#include "model/pipeline.h"

namespace easel {

// The parts of a model directory, their tensors on `device` in `dtype`. Errors name the file, and the key or
// tensor; an unknown class, also those that are served.
absl::StatusOr<PipelineParts> LoadParts(const std::string& directory, c10::Device device,
                                        c10::ScalarType dtype);

}  // namespace easel

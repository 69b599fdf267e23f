// A network of tests/golden/data, read as the server reads one.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/io/checkpoint.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"

namespace easel {

// `name`: its directory below the golden data, with config.json and weights, every one of which must be taken.
template <class Network, class Params>
absl::StatusOr<std::unique_ptr<Network>> LoadGoldenNetwork(const std::string& name, c10::ScalarType dtype = c10::kFloat) {
  const std::string directory = EASEL_SOURCE_DIR "/tests/golden/data/" + name;
  EASEL_ASSIGN_OR_RETURN(JsonObject config, JsonObject::Open(directory + "/config.json"));
  EASEL_ASSIGN_OR_RETURN(const Params params, Params::FromConfig(config));
  EASEL_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(directory, c10::kCPU, dtype));
  auto network = std::make_unique<Network>(params, Weights(checkpoint.get()));
  EASEL_RETURN_IF_ERROR(checkpoint->Finish());
  return network;
}

}  // namespace easel

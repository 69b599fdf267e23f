// What forwards, encoding and decoding of a model were measured to take on a device, as a value that can be
// kept in a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/engine/step_times.h"

namespace easel {

struct ForwardTime {
  ForwardShape shape = {};  // its model is not said: 0
  int rows = 1;
  double seconds = 0;
  int64_t bytes = 0;  // of memory, at its worst moment; 0: not known
};

struct ModelCosts {
  std::string model;          // its served name
  std::string device;         // such as "cpu", "cuda:0"
  int width = 0, height = 0;  // of the picture that these are of
  double encode_seconds = 0, decode_seconds = 0;
  int64_t decode_bytes = 0;  // as ForwardTime::bytes
  std::vector<ForwardTime> forwards;
};

// Errors name the file and the key. NotFound where there is no file.
absl::StatusOr<std::vector<ModelCosts>> ReadModelCosts(const std::string& path);
absl::Status WriteModelCosts(const std::string& path, const std::vector<ModelCosts>& costs);

}  // namespace easel

// What all calls of the inference service share.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "server/inference/statistics.h"
#include "server/service/service_state.h"

namespace easel {

// Constant, but for what guards itself.
struct InferenceState {
  ServiceState* service = nullptr;
  InferenceStatistics statistics;
  // Whether a served model still has a device.
  std::function<bool(std::string_view)> is_up;
  std::string version;  // of the server
};

}  // namespace easel

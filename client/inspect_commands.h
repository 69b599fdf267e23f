// `easel models` and `easel health`.
#pragma once

#include <ostream>
#include <string>

#include "client/image_client.h"

namespace easel {

// Both return the exit code; `json`: one line of JSON instead of a table.
int RunModels(ImageClient& client, bool json, std::ostream& out, std::ostream& err);
int RunHealth(ImageClient& client, bool json, std::ostream& out, std::ostream& err);  // 0 when all is SERVING

std::string ModelTable(const v1::ListModelsResponse& models);

}  // namespace easel

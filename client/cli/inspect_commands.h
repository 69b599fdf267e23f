// `easel models` and `easel health`.
#pragma once

#include <ostream>
#include <string>

#include "client/image_client.h"

namespace easel {

// Both return the exit code; `json`: one line of JSON instead of a table.
int RunModels(ImageClient& client, bool json, std::ostream& out, std::ostream& err);
// The server as a whole, the service, and each model that the server lists: none while it loads them. 0 when
// the first two are SERVING; a model that is down beside others is told alone.
int RunHealth(ImageClient& client, bool json, std::ostream& out, std::ostream& err);

std::string ModelTable(const v1::ListModelsResponse& models);

}  // namespace easel

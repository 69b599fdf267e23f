// What a call came to, in our words.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace easel {

// As ImageClient's calls return it (image_client.h). `server`: the address that `channel` was made for.
absl::Status ToStatus(const grpc::Status& status, grpc::Channel& channel, const std::string& server);

}  // namespace easel

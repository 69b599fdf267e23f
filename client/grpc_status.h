// What a call came to, in our words.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "client/image_client.h"

namespace easel {

// As ImageClient's calls return it (image_client.h). `options`: what `channel` was made of.
absl::Status ToStatus(const grpc::Status& status, grpc::Channel& channel,
                      const ImageClient::Options& options);

}  // namespace easel

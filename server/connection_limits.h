// What a connection may cost, whoever is at its other end.
#pragma once

#include <grpcpp/server_builder.h>

#include "absl/time/time.h"

namespace easel {

struct ConnectionLimits {
  int request_bytes = 1 << 20;    // a message; more: RESOURCE_EXHAUSTED
  int metadata_bytes = 16 << 10;  // of a call; more: RESOURCE_EXHAUSTED
  int streams = 1000;             // calls at a time on a connection; a gRPC client queues the others
  absl::Duration handshake = absl::Seconds(20);  // from connecting to TLS and HTTP/2 being agreed on
  absl::Duration idle = absl::Minutes(10);       // without a call
  // Pings that come more often are strikes; after the second one the connection is closed, with
  // "too_many_pings".
  absl::Duration ping_interval = absl::Seconds(10);
};

// Those, and the pings by which the server notices callers that vanished without a word.
void AddLimits(const ConnectionLimits& limits, grpc::ServerBuilder* builder);

}  // namespace easel

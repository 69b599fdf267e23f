// How a client gets through the server's door: plain text or TLS, and what to say when it does not.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace easel {

struct ClientTls {        // files of PEM
  std::string ca = {};    // roots that the server's certificate must come from; empty: plain text
  std::string cert = {};  // the client's own, for servers that ask for one; empty: none
  std::string key = {};   // its key
};

// InvalidArgument naming the file that cannot be read, or what is missing beside `cert` or `key`.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const ClientTls& tls);

// What most likely is to be mended where connecting failed, from gRPC's words about that; empty where they
// say nothing of TLS.
std::string TlsHint(bool uses_tls, std::string_view failure);

}  // namespace easel

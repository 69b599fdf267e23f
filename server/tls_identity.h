// Who the server is to its clients: certificate and key, read from files and checked.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace easel {

struct TlsFiles {         // PEM
  std::string cert;       // the server's, and those between it and a root; empty: no TLS
  std::string key;        // the server's, without a passphrase
  std::string client_ca;  // whose certificates clients must show; empty: clients need none
};

struct TlsIdentity {
  std::string cert_chain, private_key, client_roots;  // PEM
  absl::Time not_before, not_after;                   // of the server's certificate

  bool operator==(const TlsIdentity&) const = default;
};

// Errors name the file that cannot be read or is no PEM of its kind, or the two that do not belong together.
// A certificate that has expired is none: `not_after` tells. REQUIRES: cert and key are named.
absl::StatusOr<TlsIdentity> ReadTlsIdentity(const TlsFiles& files);

}  // namespace easel

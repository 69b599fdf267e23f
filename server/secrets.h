// The files that say who may come in, while the server runs: read at start, and again when they may have
// changed. What is bad then changes nothing, and the log has why.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/door_credentials.h"
#include "server/service/authenticator.h"
#include "server/tls_identity.h"

namespace easel {

struct SecretFiles {
  TlsFiles tls;          // tls.cert empty: no TLS
  std::string api_keys;  // see ApiKeys::Parse; empty: no key is needed

  bool any() const { return !tls.cert.empty() || !api_keys.empty(); }
};

// What metrics hear of them, on the thread that reads.
struct SecretsListener {
  // The certificate that counts from now on.
  std::function<void(absl::Time not_after)> certificate = [](absl::Time) {};
  // Refresh found something bad. `file`: "certificate" or "keys".
  std::function<void(std::string_view file)> refresh_failed = [](std::string_view) {};
};

// One thread at a time.
class Secrets {
 public:
  // Gives the keys to `authenticator`, which outlives this. InvalidArgument naming the file, and its line.
  static absl::StatusOr<std::unique_ptr<Secrets>> Load(SecretFiles files, Authenticator* authenticator,
                                                       SecretsListener listener = {});

  // For the port: with the certificate that was read, or plain text.
  const std::shared_ptr<DoorCredentials>& credentials() const { return credentials_; }

  // Reads all again; what is good and new counts from the next connection and the next call. The same fault
  // is told once, unless someone `asked`, who then hears of what has not changed, too.
  void Refresh(bool asked);

 private:
  Secrets(SecretFiles files, Authenticator* authenticator, SecretsListener listener)
      : files_(std::move(files)), authenticator_(authenticator), listener_(std::move(listener)) {}
  // Whether there was something new.
  absl::StatusOr<bool> RefreshTls();
  absl::StatusOr<bool> RefreshKeys();

  const SecretFiles files_;
  Authenticator* const authenticator_;
  const SecretsListener listener_;
  std::shared_ptr<DoorCredentials> credentials_;  // null until Load has read the certificate
  TlsIdentity identity_;                          // as it counts
  std::string keys_;                              // the file's text, as it counts
  absl::Status tls_fault_, keys_fault_;           // as they were last told
};

}  // namespace easel

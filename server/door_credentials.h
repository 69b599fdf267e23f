// What the port asks of connections (TLS, a client's certificate) and, before any service sees them, of calls
// (a key). Both may change while it is open, which gRPC's C++ classes do not let them: its TLS with
// FileWatcherCertificateProvider serves nobody once a file is bad, and its plain text has no look at calls.
// So this is made of gRPC's C interface, where a bad certificate leaves the old one in place.
#pragma once

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/service/authenticator.h"
#include "server/sync/mutex.h"
#include "server/tls_identity.h"

namespace easel {

class DoorCredentials final : public grpc::ServerCredentials {
 public:
  // Calls of services other than health, which is for probes, and other than our own, which ask for
  // themselves so that metrics and log hear of it, must satisfy `authenticator`; it outlives this.
  // `identity`: none is plain text, then and for ever.
  DoorCredentials(std::optional<TlsIdentity> identity, const Authenticator* authenticator);
  ~DoorCredentials() override;

  // For the connections to come; those there are stay. Any thread. REQUIRES: there was one at first.
  void SetIdentity(TlsIdentity identity);

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override;
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

  // gRPC asks at every handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(void* self,
                                                         grpc_ssl_server_certificate_config** config);
  static void Process(void* self, grpc_auth_context* context, const grpc_metadata* metadata, size_t count,
                      grpc_process_auth_metadata_done_cb done, void* user_data);

  const Authenticator* const authenticator_;
  Mutex mutex_;
  std::optional<TlsIdentity> fresh_ ABSL_GUARDED_BY(mutex_);  // none: gRPC has the newest
  grpc_server_credentials* credentials_ = nullptr;            // not null once constructed
};

}  // namespace easel

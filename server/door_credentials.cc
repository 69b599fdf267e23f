#include "server/door_credentials.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace easel {
namespace {

// Beginnings of the paths of the calls that the door lets pass.
constexpr std::array<std::string_view, 2> kOpen = {"/grpc.health.v1.Health/", "/easel.v1.ImageGeneration/"};

std::string_view TextOf(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

bool IsOpen(const grpc_metadata* metadata, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (TextOf(metadata[i].key) != ":path") continue;
    const std::string_view path = TextOf(metadata[i].value);
    return std::any_of(kOpen.begin(), kOpen.end(), [path](auto open) { return path.starts_with(open); });
  }
  return false;
}

}  // namespace

DoorCredentials::DoorCredentials(std::optional<TlsIdentity> identity, const Authenticator* authenticator)
    : authenticator_(authenticator), fresh_(std::move(identity)) {
  if (fresh_.has_value()) {
    const auto request = fresh_->client_roots.empty()
                             ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                             : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, &Fetch, this));
  } else {
    credentials_ = grpc_insecure_server_credentials_create();
  }
  grpc_server_credentials_set_auth_metadata_processor(credentials_, {&Process, [](void*) {}, this});
}

DoorCredentials::~DoorCredentials() { grpc_server_credentials_release(credentials_); }

int DoorCredentials::AddPortToServer(const std::string& address, grpc_server* server) {
  return grpc_server_add_http2_port(server, address.c_str(), credentials_);
}

void DoorCredentials::SetIdentity(TlsIdentity identity) {
  MutexLock lock(&mutex_);
  fresh_ = std::move(identity);
}

grpc_ssl_certificate_config_reload_status DoorCredentials::Fetch(
    void* self, grpc_ssl_server_certificate_config** config) {
  auto* const door = static_cast<DoorCredentials*>(self);
  std::optional<TlsIdentity> fresh;
  {
    MutexLock lock(&door->mutex_);
    fresh.swap(door->fresh_);
  }
  if (!fresh.has_value()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair = {fresh->private_key.c_str(), fresh->cert_chain.c_str()};
  // It insists on roots, and looks at none where no certificate is asked for.
  const std::string& roots = fresh->client_roots.empty() ? fresh->cert_chain : fresh->client_roots;
  *config = grpc_ssl_server_certificate_config_create(roots.c_str(), &pair, 1);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

void DoorCredentials::Process(void* self, grpc_auth_context*, const grpc_metadata* metadata, size_t count,
                              grpc_process_auth_metadata_done_cb done, void* user_data) {
  absl::Status status;
  if (!IsOpen(metadata, count)) {
    Authenticator::Metadata words;
    for (size_t i = 0; i < count; ++i) {
      const std::string_view key = TextOf(metadata[i].key), value = TextOf(metadata[i].value);
      words.emplace(grpc::string_ref(key.data(), key.size()), grpc::string_ref(value.data(), value.size()));
    }
    status = static_cast<DoorCredentials*>(self)->authenticator_->CallerOf(words).status();
  }
  done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
       std::string(status.message()).c_str());
}

}  // namespace easel

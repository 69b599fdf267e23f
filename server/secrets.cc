#include "server/secrets.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/io/file.h"
#include "model/io/status_macros.h"
#include "server/log.h"

namespace easel {
namespace {

constexpr size_t kMaxBytes = 16 << 20;

void TellOf(const std::string& file, const TlsIdentity& identity) {
  const std::vector<LogField> fields = {
      {"file", file},
      {"until", absl::FormatTime(absl::RFC3339_sec, identity.not_after, absl::UTCTimeZone())}};
  const absl::Time now = absl::Now();
  if (identity.not_after < now || identity.not_before > now) {
    LogWarning("certificate is out of date", fields);
  } else {
    LogInfo("certificate", fields);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Secrets>> Secrets::Load(SecretFiles files, Authenticator* authenticator,
                                                       SecretsListener listener) {
  std::unique_ptr<Secrets> secrets(new Secrets(std::move(files), authenticator, std::move(listener)));
  for (const auto& read : {secrets->RefreshTls(), secrets->RefreshKeys()}) {
    if (!read.ok()) return absl::InvalidArgumentError(read.status().message());
  }
  if (secrets->credentials_ == nullptr) {
    secrets->credentials_ = std::make_shared<DoorCredentials>(std::nullopt, authenticator);
  }
  return secrets;
}

absl::StatusOr<bool> Secrets::RefreshTls() {
  if (files_.tls.cert.empty()) return false;
  EASEL_ASSIGN_OR_RETURN(TlsIdentity fresh, ReadTlsIdentity(files_.tls));
  if (fresh == identity_) return false;
  identity_ = std::move(fresh);
  if (credentials_ == nullptr) {
    credentials_ = std::make_shared<DoorCredentials>(identity_, authenticator_);
  } else {
    credentials_->SetIdentity(identity_);
  }
  TellOf(files_.tls.cert, identity_);
  listener_.certificate(identity_.not_after);
  return true;
}

absl::StatusOr<bool> Secrets::RefreshKeys() {
  if (files_.api_keys.empty()) return false;
  EASEL_ASSIGN_OR_RETURN(std::string text, ReadFile(files_.api_keys, kMaxBytes));
  if (text == keys_) return false;
  auto keys = ApiKeys::Parse(text);
  if (!keys.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(files_.api_keys, ": ", keys.status().message()));
  }
  keys_ = std::move(text);
  LogInfo("keys", {{"file", files_.api_keys}, {"count", static_cast<int64_t>(keys->size())}});
  authenticator_->SetKeys(*std::move(keys));
  return true;
}

void Secrets::Refresh(bool asked) {
  const auto tell = [&](const absl::StatusOr<bool>& read, std::string_view file, absl::Status* told) {
    if (!read.ok()) listener_.refresh_failed(file);
    if (!read.ok() && (asked || read.status() != *told)) {
      LogError("not reloaded, the old ones stay",
               {{"what", std::string(file)}, {"message", std::string(read.status().message())}});
    } else if (read.ok() && asked && !*read) {
      LogInfo("nothing new", {{"what", std::string(file)}});
    }
    *told = read.status();
  };
  if (!files_.tls.cert.empty()) tell(RefreshTls(), "certificate", &tls_fault_);
  if (!files_.api_keys.empty()) tell(RefreshKeys(), "keys", &keys_fault_);
}

}  // namespace easel

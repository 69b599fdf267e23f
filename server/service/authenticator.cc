#include "server/service/authenticator.h"

#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "model/io/status_macros.h"
#include "server/service/call_metadata.h"

namespace easel {
namespace {

constexpr std::string_view kScheme = "Bearer ";

absl::StatusOr<std::string_view> KeyOf(const Authenticator::Metadata& metadata) {
  const auto [first, last] = metadata.equal_range("authorization");
  if (first == last) {
    return absl::UnauthenticatedError(
        "this server needs an API key: `authorization: Bearer KEY` in the metadata");
  }
  if (std::next(first) != last) return absl::UnauthenticatedError("`authorization` is there more than once");
  const std::string_view value(first->second.data(), first->second.size());
  if (!absl::StartsWithIgnoreCase({value.data(), value.size()}, {kScheme.data(), kScheme.size()})) {
    return absl::UnauthenticatedError("`authorization` must be `Bearer KEY`");
  }
  return value.substr(kScheme.size());
}

}  // namespace

void Authenticator::SetKeys(ApiKeys keys) {
  auto fresh = std::make_shared<const ApiKeys>(std::move(keys));
  MutexLock lock(&mutex_);
  keys_.swap(fresh);  // the old ones go after the lock
}

absl::StatusOr<Caller> Authenticator::CallerOf(const Metadata& metadata) const {
  std::shared_ptr<const ApiKeys> keys;
  {
    MutexLock lock(&mutex_);
    keys = keys_;
  }
  Caller caller;
  if (keys != nullptr) {
    EASEL_ASSIGN_OR_RETURN(const std::string_view key, KeyOf(metadata));
    EASEL_ASSIGN_OR_RETURN(caller, keys->Find(key, options_.now()));
  }
  if (const auto header = metadata.find(kTenantKey);
      options_.trust_tenant_header && header != metadata.end()) {
    EASEL_ASSIGN_OR_RETURN(caller.tenant, CheckedTenant({header->second.data(), header->second.size()}));
  }
  return caller;
}

}  // namespace easel

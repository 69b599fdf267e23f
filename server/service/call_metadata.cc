#include "server/service/call_metadata.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/service/model_description.h"
#include "server/service/status_conversion.h"
#include "server/sync/steady_now.h"

namespace easel {
namespace {

constexpr size_t kMaxTenantBytes = 64;
constexpr size_t kTraceparentBytes = 55;

}  // namespace

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();  // by the wall clock, to which gRPC adds what the caller sent
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return SteadyNow() + (absl::FromChrono(deadline) - absl::Now());
}

std::string TraceparentOf(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("traceparent");
  if (found == metadata.end() || found->second.size() != kTraceparentBytes) return "";
  std::string value(found->second.data(), found->second.size());
  const bool good = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
  });
  return good ? value : "";
}

bool IsTenant(std::string_view name) {
  return !name.empty() && name.size() <= kMaxTenantBytes &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

absl::StatusOr<std::string> CheckedTenant(std::string_view given) {
  if (IsTenant(given)) return std::string(given);
  return InvalidFields({{kTenantKey, absl::StrCat(Quoted(given), " given; allowed: ", kTenantRule)}});
}

}  // namespace easel

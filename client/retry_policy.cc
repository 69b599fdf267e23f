#include "client/retry_policy.h"

#include <algorithm>

#include "client/image_client.h"
#include "google/rpc/error_details.pb.h"
#include "proto/status_details.h"

namespace easel {
namespace {

constexpr absl::Duration kLongestBackoff = absl::Seconds(5);
constexpr absl::Duration kLongestPushback = absl::Minutes(1);

}  // namespace

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto info = DetailOf<google::rpc::RetryInfo>(status);
  if (!info.has_value()) return std::nullopt;
  const absl::Duration delay =
      absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
  return std::max(delay, absl::ZeroDuration());
}

std::optional<absl::Duration> RetryPolicy::After(const absl::Status& status, absl::Time now, double chance) {
  const std::optional<absl::Duration> told = RetryDelay(status);
  const bool is_refused = status.GetPayload(ImageClient::kTlsPayload).has_value();  // and will be again
  const bool passes = (status.code() == absl::StatusCode::kUnavailable && !is_refused) ||
                      (status.code() == absl::StatusCode::kResourceExhausted && told.has_value());
  if (!passes || left_ == 0 || told > kLongestPushback) return std::nullopt;
  const absl::Duration delay = told.has_value() ? *told * (1 + chance / 2) : backoff_ * (0.5 + chance);
  if (now + delay >= deadline_) return std::nullopt;
  --left_;
  if (!told.has_value()) backoff_ = std::min(2 * backoff_, kLongestBackoff);
  return delay;
}

}  // namespace easel

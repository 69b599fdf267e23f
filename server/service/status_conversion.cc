#include "server/service/status_conversion.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proto/status_details.h"
#include "server/engine/estimate.h"
#include "server/engine/refusal.h"

namespace easel {
namespace {

// Where the engine has no estimate: long enough that refused callers do not become a load of their own, short
// beside the time of a picture.
constexpr absl::Duration kRetryAfter = absl::Seconds(1);
constexpr absl::Duration kLongestPushback = absl::Minutes(1);
constexpr absl::Duration kRetryAtLeast = absl::Milliseconds(100);

// The request's path for a field that the engine names in its own, flat words.
std::string RequestField(std::string_view message) {
  const auto end = std::find_if_not(message.begin(), message.end(),
                                    [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  const std::string name(message.begin(), end);
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kNested = {
      {{"preview_method", "preview.method"}, {"preview_every_n_steps", "preview.every_n_steps"}}};
  for (const auto& [flat, nested] : kNested) {
    if (name == flat) return std::string(nested);
  }
  return name;
}

// The RetryInfo's; nothing where there is none.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const auto info = DetailOf<google::rpc::RetryInfo>(status);
  if (!info.has_value()) return std::nullopt;
  return absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
}

}  // namespace

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest details;
  for (const FieldViolation& violation : violations) {
    auto* field = details.add_field_violations();
    field->set_field(violation.field);
    field->set_description(violation.description);
  }
  absl::Status status = absl::InvalidArgumentError(
      absl::StrJoin(violations, "; ", [](std::string* out, const FieldViolation& violation) {
        absl::StrAppend(out, violation.field, ": ", violation.description);
      }));
  AttachDetail(status, details);
  return status;
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(delay - absl::Seconds(absl::ToInt64Seconds(delay)))));
  AttachDetail(status, info);
  return status;
}

absl::Status WithReason(absl::Status status, const std::string& reason,
                        const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("easel");
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  AttachDetail(status, info);
  return status;
}

absl::Status FromEngine(const absl::Status& status) {
  const std::optional<double> estimate = EstimatedSeconds(status);
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument: {
      std::string_view message(status.message().data(), status.message().size());
      const std::string field = RequestField(message);
      if (const auto colon = message.find(": "); colon < message.find(' ')) message.remove_prefix(colon + 2);
      return InvalidFields({{field, std::string(message)}});
    }
    case absl::StatusCode::kResourceExhausted:
      if (IsBiggerThanTheDevice(status)) {  // waiting does not help
        return WithReason(absl::ResourceExhaustedError(status.message()), "BIGGER_THAN_THE_DEVICE", {});
      }
      [[fallthrough]];
    case absl::StatusCode::kUnavailable:
      return WithRetryAfter(WithoutEstimate(status), estimate.has_value()
                                                         ? std::max(absl::Seconds(*estimate), kRetryAtLeast)
                                                         : kRetryAfter);
    case absl::StatusCode::kDeadlineExceeded:
      if (!estimate.has_value()) return WithReason(status, "DEADLINE_PASSED", {});
      return WithReason(WithoutEstimate(status), "DEADLINE_TOO_SHORT",
                        {{"estimated_seconds", absl::StrCat(*estimate)}});
    default:
      return status;
  }
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  status.ForEachPayload([&details](absl::string_view type_url, const absl::Cord& value) {
    google::protobuf::Any* detail = details.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(value));
  });
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      details.details().empty() ? "" : details.SerializeAsString());
}

std::vector<std::pair<std::string, std::string>> PushbackOf(const absl::Status& status) {
  const std::optional<absl::Duration> delay = RetryDelayOf(status);
  if (!delay.has_value()) return {};
  std::vector<std::pair<std::string, std::string>> metadata = {
      {"grpc-retry-pushback-ms",
       *delay > kLongestPushback ? "-1" : absl::StrCat(absl::ToInt64Milliseconds(*delay))}};
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    metadata.emplace_back("retry-after",
                          absl::StrCat(absl::ToInt64Seconds(absl::Ceil(*delay, absl::Seconds(1)))));
  }
  return metadata;
}

}  // namespace easel

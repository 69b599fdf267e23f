#include "server/engine/estimate.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace easel {
namespace {

constexpr char kUrl[] = "easel/estimated_seconds";

}  // namespace

absl::Status WithEstimatedSeconds(absl::Status status, double seconds) {
  status.SetPayload(kUrl, absl::Cord(absl::StrCat(seconds)));
  return status;
}

std::optional<double> EstimatedSeconds(const absl::Status& status) {
  const auto payload = status.GetPayload(kUrl);
  double seconds = 0;
  if (!payload.has_value() || !absl::SimpleAtod(std::string(*payload), &seconds)) return std::nullopt;
  return seconds;
}

absl::Status WithoutEstimate(absl::Status status) {
  status.ErasePayload(kUrl);
  return status;
}

}  // namespace easel

#include "server/engine/refusal.h"

#include "absl/strings/cord.h"

namespace easel {
namespace {

constexpr absl::string_view kBigger = "easel/bigger-than-the-device";

}  // namespace

absl::Status BiggerThanTheDevice(absl::string_view message) {
  absl::Status status = absl::ResourceExhaustedError(message);
  status.SetPayload(kBigger, absl::Cord());
  return status;
}

bool IsBiggerThanTheDevice(const absl::Status& status) { return status.GetPayload(kBigger).has_value(); }

}  // namespace easel

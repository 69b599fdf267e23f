// What a refusal says beside its code and message, to whoever makes details of it for the caller.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace easel {

// A ResourceExhausted against which waiting does not help. The mark is a payload for the process alone: not a
// detail to be sent.
absl::Status BiggerThanTheDevice(absl::string_view message);
bool IsBiggerThanTheDevice(const absl::Status& status);

}  // namespace easel

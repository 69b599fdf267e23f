// What a person reads when a call failed.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace easel {

// A line with code and message, then one, indented, for each thing its details (image_client.h) say: fields
// and what is wrong with them, when to try again, the reason with its figures, how to start a server or to
// reach it over TLS. Each
// line ends in a line break.
std::string ErrorText(const absl::Status& status);

}  // namespace easel

// Why a port could not be opened, which neither gRPC nor civetweb tells.
#pragma once

#include "absl/status/status.h"
#include "server/address.h"

namespace easel {

// Tries it and lets go again. Unavailable: the address is in use, or was a moment ago; InvalidArgument: it is
// none that this process may have (no such name, not one of this machine's, not allowed). `flag` and the
// address are named.
absl::Status WhyNotBound(const std::string& flag, const Address& address);

}  // namespace easel

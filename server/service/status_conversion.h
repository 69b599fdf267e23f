// Faults on their way to the caller: an absl::Status whose payloads are google.rpc details, keyed by their
// type URL, and at the door of gRPC the grpc::Status that carries them in `grpc-status-details-bin`.
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace easel {

struct FieldViolation {
  std::string field;        // path in the request, such as "preview.method"
  std::string description;  // what was given and what is allowed
};

// InvalidArgument with a BadRequest. REQUIRES: at least one violation.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);

// Adds RetryInfo.
absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);

// Adds ErrorInfo: `reason` in UPPER_SNAKE_CASE, and the figures behind it.
absl::Status WithReason(absl::Status status, const std::string& reason,
                        const std::map<std::string, std::string>& metadata);

// What Engine::Submit refused: InvalidArgument gets the field that its message begins with, ResourceExhausted
// and Unavailable get when to try again, DeadlineExceeded its reason.
absl::Status FromEngine(const absl::Status& status);

grpc::Status ToGrpcStatus(const absl::Status& status);

// The RetryInfo once more, as trailing metadata for those who do not read google.rpc details, keys and
// values: `grpc-retry-pushback-ms` for gRPC's own retries, -1, which is not to try, where it is more than a
// minute, lest they wait in silence; `retry-after`, in whole seconds, for proxies, but only with
// RESOURCE_EXHAUSTED: what is UNAVAILABLE here they had better try elsewhere at once.
std::vector<std::pair<std::string, std::string>> PushbackOf(const absl::Status& status);

}  // namespace easel

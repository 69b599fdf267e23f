// What a call says beside its request. Pure functions of its context.
#pragma once

#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace easel {

inline constexpr char kTenantKey[] = "x-easel-tenant";

// InfiniteFuture where it has none.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

// Only what has the form of a W3C trace context, for it goes into the log; else empty.
std::string TraceparentOf(const grpc::CallbackServerContext& context);

// Who is served: `given`, the value of x-easel-tenant, where the operator trusts it, else everyone is "".
// InvalidArgument for what is not 1 to 64 of [A-Za-z0-9._-].
absl::StatusOr<std::string> CheckedTenant(std::string_view given);
absl::StatusOr<std::string> TenantOf(const grpc::CallbackServerContext& context, bool trusted);

}  // namespace easel

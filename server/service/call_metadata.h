// What a call says beside its request. Pure functions of its context.
#pragma once

#include <grpcpp/server_context.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace easel {

inline constexpr char kTenantKey[] = "x-easel-tenant";

// By SteadyNow; InfiniteFuture where it has none.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

// Only what has the form of a W3C trace context, for it goes into the log; else empty.
std::string TraceparentOf(const grpc::CallbackServerContext& context);

// Whether that is a tenant's name, by this rule.
inline constexpr char kTenantRule[] = "1 to 64 letters, digits, '.', '_' and '-'";
bool IsTenant(std::string_view name);
// The value of x-easel-tenant; InvalidArgument, in the words of a field, where it is none.
absl::StatusOr<std::string> CheckedTenant(std::string_view given);

}  // namespace easel

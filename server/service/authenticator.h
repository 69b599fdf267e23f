// Whose a call is, by what it says of itself. Every rpc asks here first.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/string_ref.h>

#include <functional>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/service/api_keys.h"
#include "server/sync/mutex.h"

namespace easel {

// Thread-safe.
class Authenticator {
 public:
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;  // of a call
  struct Options {
    // x-easel-tenant says whose a call is, in place of its key; without, the header is nothing.
    bool trust_tenant_header = false;
    std::function<absl::Time()> now = absl::Now;  // for keys that expire
  };
  explicit Authenticator(Options options) : options_(std::move(options)) {}

  // From now on every call needs one of these; before the first time none does, and everyone is the tenant
  // "".
  void SetKeys(ApiKeys keys);

  // Errors:
  //   Unauthenticated  keys are needed, and the call has none (`authorization: Bearer KEY`), several, or one
  //                    that is unknown or has expired; the message never holds what was given
  //   InvalidArgument  a trusted x-easel-tenant that is no tenant
  absl::StatusOr<Caller> CallerOf(const Metadata& metadata) const;
  absl::StatusOr<Caller> CallerOf(const grpc::CallbackServerContext& context) const {
    return CallerOf(context.client_metadata());
  }

 private:
  const Options options_;
  mutable Mutex mutex_;
  std::shared_ptr<const ApiKeys> keys_ ABSL_GUARDED_BY(mutex_);  // null: none is needed
};

}  // namespace easel

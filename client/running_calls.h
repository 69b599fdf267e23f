// The calls of a client that are under way or wait to be, so that all can be cancelled.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace easel {

class RunningCalls;

// One try of one call, cancelled by RunningCalls::Cancel for as long as it lives.
class Attempt {
 public:
  // Cancelled already where `calls` is.
  static std::shared_ptr<Attempt> Of(const std::shared_ptr<RunningCalls>& calls);
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  grpc::ClientContext& context() { return context_; }
  // Runs `then` on a thread of gRPC's after `delay`, or at once when cancelled. Once.
  void After(absl::Duration delay, std::function<void()> then);
  void Cancel();

 private:
  explicit Attempt(std::shared_ptr<RunningCalls> calls) : calls_(std::move(calls)) {}

  const std::shared_ptr<RunningCalls> calls_;
  grpc::ClientContext context_;
  grpc::Alarm alarm_;
};

// Thread-safe.
class RunningCalls {
 public:
  // Cancels the attempts that live and all to come.
  void Cancel();
  bool cancelled() const;
  // Blocks for `delay`, or until cancelled.
  void Wait(absl::Duration delay) const;

 private:
  friend class Attempt;
  mutable absl::Mutex mutex_;  // not held while gRPC is called
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<Attempt*, std::weak_ptr<Attempt>> attempts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel

#include "client/running_calls.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"

namespace easel {

std::shared_ptr<Attempt> Attempt::Of(const std::shared_ptr<RunningCalls>& calls) {
  std::shared_ptr<Attempt> attempt(new Attempt(calls));
  bool cancelled;
  {
    absl::MutexLock lock(&calls->mutex_);
    calls->attempts_[attempt.get()] = attempt;
    cancelled = calls->cancelled_;
  }
  if (cancelled) attempt->Cancel();
  return attempt;
}

Attempt::~Attempt() {
  absl::MutexLock lock(&calls_->mutex_);
  calls_->attempts_.erase(this);
}

void Attempt::After(absl::Duration delay, std::function<void()> then) {
  alarm_.Set(absl::ToChronoTime(absl::Now() + delay), [then = std::move(then)](bool) { then(); });
  // An alarm that was not set yet when all was cancelled has not noticed.
  if (calls_->cancelled()) alarm_.Cancel();
}

void Attempt::Cancel() {
  context_.TryCancel();
  alarm_.Cancel();
}

void RunningCalls::Cancel() {
  std::vector<std::shared_ptr<Attempt>> running;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    for (const auto& [address, attempt] : attempts_) {
      if (auto alive = attempt.lock()) running.push_back(std::move(alive));
    }
  }
  for (const auto& attempt : running) attempt->Cancel();
}

bool RunningCalls::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

void RunningCalls::Wait(absl::Duration delay) const {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&cancelled_), delay);
}

}  // namespace easel

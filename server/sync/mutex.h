// std::mutex with Clang's thread-safety annotations. Not absl::Mutex, because distributions build that one
// without ThreadSanitizer, which then cannot see what it orders.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/sync/steady_now.h"

namespace easel {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

  // Unlocks until `condition` holds or `deadline`, by SteadyNow, has passed, then locks again; whether it
  // holds. Looks anew whenever it is notified. REQUIRES: called with the mutex held.
  template <typename Condition>
  bool Await(Condition condition, absl::Time deadline = absl::InfiniteFuture())
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(this) {
    std::unique_lock<std::mutex> lock(mutex_, std::adopt_lock);
    bool holds = true;
    if (deadline == absl::InfiniteFuture()) {
      changed_.wait(lock, condition);
    } else {
      constexpr absl::Duration kLongest = absl::Hours(24 * 365);  // what can be added to a time point
      const absl::Duration left = std::clamp(deadline - SteadyNow(), absl::ZeroDuration(), kLongest);
      holds = changed_.wait_for(lock, absl::ToChronoNanoseconds(left), condition);
    }
    lock.release();
    return holds;
  }
  // For lambdas, which the analysis looks at apart from the function around them.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}

  void NotifyAll() { changed_.notify_all(); }
  // Of those that wait, one: enough where all wait for the same, and one of them sees to it.
  void NotifyOne() { changed_.notify_one(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) { mutex_->Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

}  // namespace easel

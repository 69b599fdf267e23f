// How many calls have not ended, for whoever waits for the last of them.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/sync/mutex.h"

namespace easel {

// Thread-safe. Its mutex is never held while another is taken.
class CallsInFlight {
 public:
  void Began() {
    MutexLock lock(&mutex_);
    ++count_;
  }
  void Ended() {
    MutexLock lock(&mutex_);
    if (--count_ == 0) mutex_.NotifyAll();
  }
  // Blocks until there is none, or the deadline has passed.
  void AwaitNone(absl::Time deadline) {
    MutexLock lock(&mutex_);
    mutex_.Await(
        [this] {
          mutex_.AssertHeld();
          return count_ == 0;
        },
        deadline);
  }

 private:
  Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace easel

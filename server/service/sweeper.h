// A thread that does the same small thing over and over: what falls due by time alone.
#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/sync/mutex.h"

namespace easel {

class Sweeper {
 public:
  // Calls `sweep` about every `period`, on its thread, until destroyed. Its mutex is not held meanwhile.
  Sweeper(absl::Duration period, std::function<void()> sweep);
  // Waits for a sweep under way.
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  // The next sweep is now. Any thread; does not wait for it.
  void SweepNow();

 private:
  void Run();

  const absl::Duration period_;
  const std::function<void()> sweep_;
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool due_ ABSL_GUARDED_BY(mutex_) = false;  // before the period is over
  std::thread thread_;
};

}  // namespace easel

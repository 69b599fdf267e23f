// A few threads for work that others must not wait for: turning pictures into files, waking readers
// (service_state.h).
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/sync/mutex.h"

namespace easel {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // ≥ 1
  // Runs what was submitted, then joins. Bounded, since tasks are finite and nobody may submit any more.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs `task` on one of the threads; tasks begin in the order they come. Any thread may call it, a task
  // too. Never blocks. The queue has no bound of its own: what is in flight is bounded where requests are
  // admitted. `task` must not throw.
  void Submit(std::function<void()> task);

 private:
  void Run();

  Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace easel

// The way from Submit to the workers: one inbox a worker, and the count of what is in flight. The engine's
// only mutex.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/job.h"
#include "server/sync/mutex.h"

namespace easel {

// Thread-safe. A job is waiting from Push until its worker calls Began or Ended, then active until Ended.
class JobQueue {
 public:
  // `capacity`: jobs that may wait.
  JobQueue(int workers, int capacity);

  // Gives all jobs to inboxes or none, each to that of `workers` with the least work in flight.
  // ResourceExhausted when too many would wait; Unavailable after Close.
  absl::Status Push(std::vector<Job> jobs, const std::vector<int>& workers);

  // The worker's part. Cancelling needs no wake-up: a worker that blocks has no jobs.
  enum class Patience { kWaitForJobs, kDoNotWait };
  struct Delivery {
    std::vector<Job> jobs;  // in the order of Push
    bool stop = false;      // end all jobs and the thread
  };
  Delivery Take(int worker, Patience patience);
  void Began(int jobs);
  enum class Was { kWaiting, kActive };
  // After the job's last event.
  void Ended(int worker, const Job& job, Was was);

  // Refuses jobs from now on.
  void Close();
  // Whether all jobs ended by `deadline`.
  bool AwaitEmpty(absl::Time deadline);
  void Stop();

 private:
  struct Inbox {
    std::vector<Job> jobs;
    int64_t work = 0;  // rows × steps of all jobs given to the worker and not ended
  };

  const int capacity_;
  Mutex mutex_;
  std::vector<Inbox> inboxes_ ABSL_GUARDED_BY(mutex_);
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int active_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace easel

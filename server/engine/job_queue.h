// The way from Submit to the workers: one inbox a worker, and the count of what is in flight. The engine's
// only mutex.
#pragma once

#include <map>
#include <string>
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
  // `capacity`: jobs that may wait. `tenant_capacity`: jobs of one tenant, waiting and active; 0: no such
  // limit.
  JobQueue(int workers, int capacity, int tenant_capacity = 0);

  // Gives all jobs, of one tenant, to inboxes or none, each to that of `workers` that would have done it
  // first, by Job::seconds_on and the work it has. ResourceExhausted, with an estimate, when too many would
  // wait or the tenant would have too many; Unavailable after Close.
  absl::Status Push(std::vector<Job> jobs, const std::vector<int>& workers);

  // The worker's part. Cancelling needs no wake-up: a worker that blocks has no jobs.
  enum class Patience { kWaitForJobs, kDoNotWait };
  struct Delivery {
    std::vector<Job> jobs;  // in the order of Push
    bool stop = false;      // end all jobs and the thread
  };
  // `seconds`: of the work that the worker has already.
  Delivery Take(int worker, Patience patience, double seconds);
  void Began(int jobs);
  enum class Was { kWaiting, kActive };
  // After the job's last event.
  void Ended(const Job& job, Was was);

  // Refuses jobs from now on.
  void Close();
  // Whether all jobs ended by `deadline`.
  bool AwaitEmpty(absl::Time deadline);
  void Stop();

 private:
  struct Inbox {
    std::vector<Job> jobs;
    double seconds = 0;  // of work given to the worker, as it told at its last Take, and since
  };
  double SecondsUntilEndOf(int jobs) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int capacity_;
  const int tenant_capacity_;
  Mutex mutex_;
  std::vector<Inbox> inboxes_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> tenant_jobs_ ABSL_GUARDED_BY(mutex_);  // of those that have any
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int active_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace easel

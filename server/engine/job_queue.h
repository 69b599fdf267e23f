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

  // Gives all jobs, of one tenant, to inboxes or none, each to that of `workers`, those that are not lost, that
  // would have done it first, by Job::seconds_on and the work it has. ResourceExhausted, with an estimate, when
  // too many would wait or the tenant would have too many; Unavailable after Close, and when all of them are
  // lost.
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

  // The worker's last call: its device is lost, and it gets no more jobs. `taken`, which it has not begun,
  // and its inbox go to other workers that have their models, by `workers_of` each model.
  struct Bereft {
    std::vector<Job> jobs;    // that nobody else can take, or not any more because of Stop: still to be Ended
    std::vector<int> models;  // whose last worker this was
  };
  Bereft Lose(int worker, std::vector<Job> taken, const std::vector<std::vector<int>>& workers_of);

  // Refuses jobs from now on.
  void Close();
  // Whether all jobs ended by `deadline`.
  bool AwaitEmpty(absl::Time deadline);
  // Ends everything: no jobs are taken any more, and the workers fail those they have.
  void Stop();

 private:
  struct Inbox {
    std::vector<Job> jobs;
    double seconds = 0;  // of work given to the worker, as it told at its last Take, and since
    bool lost = false;
  };
  double SecondsUntilEndOf(int jobs) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of `workers`, the one that would have done the job first; -1: all are lost.
  int FirstToBeDone(const Job& job, const std::vector<int>& workers) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Give(Job job, int worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

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

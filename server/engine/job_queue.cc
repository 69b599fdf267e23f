#include "server/engine/job_queue.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/engine/estimate.h"

namespace easel {

JobQueue::JobQueue(int workers, int capacity, int tenant_capacity)
    : capacity_(capacity), tenant_capacity_(tenant_capacity), inboxes_(workers) {}

absl::Status JobQueue::Push(std::vector<Job> jobs, const std::vector<int>& workers) {
  MutexLock lock(&mutex_);
  if (closed_) return absl::UnavailableError("the server is stopping");
  if (FirstToBeDone(jobs[0], workers) < 0)
    return absl::UnavailableError("no device that has this model is left");
  const int count = static_cast<int>(jobs.size());
  if (const int over = waiting_ + count - capacity_; over > 0) {
    return WithEstimatedSeconds(
        absl::ResourceExhaustedError(
            absl::StrFormat("the queue is full: %d pictures wait of at most %d, and %d more were asked for",
                            waiting_, capacity_, count)),
        SecondsUntilEndOf(over));
  }
  const std::string& tenant = jobs[0].tenant;
  const auto known = tenant_jobs_.find(tenant);
  const int of_tenant = known == tenant_jobs_.end() ? 0 : known->second;
  if (const int over = of_tenant + count - tenant_capacity_; tenant_capacity_ > 0 && over > 0) {
    return WithEstimatedSeconds(absl::ResourceExhaustedError(absl::StrFormat(
                                    "tenant '%s' has %d pictures under way of at most %d, and "
                                    "%d more were asked for",
                                    tenant, of_tenant, tenant_capacity_, count)),
                                SecondsUntilEndOf(over));
  }
  tenant_jobs_[tenant] += count;
  for (Job& job : jobs) {
    const int worker = FirstToBeDone(job, workers);
    Give(std::move(job), worker);
  }
  waiting_ += count;
  mutex_.NotifyAll();
  return absl::OkStatus();
}

// About: as if all in flight took equally long, and all workers had as many.
double JobQueue::SecondsUntilEndOf(int jobs) const {
  double seconds = 0;
  for (const Inbox& inbox : inboxes_) seconds += inbox.seconds;
  const int in_flight = std::max(1, waiting_ + active_);
  return seconds / static_cast<double>(inboxes_.size()) * std::min(jobs, in_flight) / in_flight;
}

JobQueue::Delivery JobQueue::Take(int worker, Patience patience, double seconds) {
  MutexLock lock(&mutex_);
  Inbox& inbox = inboxes_[worker];
  inbox.seconds = seconds;
  for (const Job& job : inbox.jobs) inbox.seconds += job.seconds_on[worker];
  if (patience == Patience::kWaitForJobs) {
    mutex_.Await([&] {
      mutex_.AssertHeld();
      return !inbox.jobs.empty() || stopped_;
    });
  }
  return {std::exchange(inbox.jobs, {}), stopped_};
}

void JobQueue::Began(int jobs) {
  MutexLock lock(&mutex_);
  waiting_ -= jobs;
  active_ += jobs;
}

void JobQueue::Ended(const Job& job, Was was) {
  MutexLock lock(&mutex_);
  --(was == Was::kWaiting ? waiting_ : active_);
  const auto tenant = tenant_jobs_.find(job.tenant);
  if (--tenant->second == 0) tenant_jobs_.erase(tenant);
  if (waiting_ + active_ == 0) mutex_.NotifyAll();
}

JobQueue::Bereft JobQueue::Lose(int worker, std::vector<Job> taken,
                                const std::vector<std::vector<int>>& workers_of) {
  MutexLock lock(&mutex_);
  Inbox& inbox = inboxes_[worker];
  inbox.lost = true;
  inbox.seconds = 0;
  Bereft bereft;
  for (size_t model = 0; model < workers_of.size(); ++model) {
    const std::vector<int>& workers = workers_of[model];
    const bool had = std::find(workers.begin(), workers.end(), worker) != workers.end();
    const bool has = std::any_of(workers.begin(), workers.end(), [this](int other) {
      mutex_.AssertHeld();
      return !inboxes_[other].lost;
    });
    if (had && !has) bereft.models.push_back(static_cast<int>(model));
  }
  for (Job& job : inbox.jobs) taken.push_back(std::move(job));
  inbox.jobs.clear();
  for (Job& job : taken) {
    // Once stopped, the other workers may have looked into their inboxes for the last time.
    const int other = stopped_ ? -1 : FirstToBeDone(job, workers_of[job.model]);
    if (other < 0) {
      bereft.jobs.push_back(std::move(job));
    } else {
      Give(std::move(job), other);
    }
  }
  mutex_.NotifyAll();
  return bereft;
}

int JobQueue::FirstToBeDone(const Job& job, const std::vector<int>& workers) const {
  const auto seconds = [&](int worker) {
    mutex_.AssertHeld();
    return inboxes_[worker].seconds + job.seconds_on[worker];
  };
  int first = -1;
  for (int worker : workers) {
    if (inboxes_[worker].lost || std::isinf(job.seconds_on[worker])) continue;
    if (first < 0 || seconds(worker) < seconds(first)) first = worker;
  }
  return first;
}

void JobQueue::Give(Job job, int worker) {
  inboxes_[worker].seconds += job.seconds_on[worker];
  inboxes_[worker].jobs.push_back(std::move(job));
}

void JobQueue::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
}

bool JobQueue::AwaitEmpty(absl::Time deadline) {
  MutexLock lock(&mutex_);
  return mutex_.Await(
      [this] {
        mutex_.AssertHeld();
        return waiting_ + active_ == 0;
      },
      deadline);
}

void JobQueue::Stop() {
  MutexLock lock(&mutex_);
  closed_ = stopped_ = true;
  mutex_.NotifyAll();
}

}  // namespace easel

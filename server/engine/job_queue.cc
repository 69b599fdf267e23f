#include "server/engine/job_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace easel {
namespace {

int64_t WorkOf(const Job& job) { return int64_t{job.rows} * job.spec.num_inference_steps; }

}  // namespace

JobQueue::JobQueue(int workers, int capacity) : capacity_(capacity), inboxes_(workers) {}

absl::Status JobQueue::Push(std::vector<Job> jobs, const std::vector<int>& workers) {
  MutexLock lock(&mutex_);
  if (closed_) return absl::UnavailableError("the server is stopping");
  if (LeastBusy(workers) < 0) return absl::UnavailableError("no device that has this model is left");
  const int count = static_cast<int>(jobs.size());
  if (count > capacity_ - waiting_) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the queue is full: %d pictures wait of at most %d, and %d more were asked for",
                        waiting_, capacity_, count));
  }
  for (Job& job : jobs) Give(std::move(job), LeastBusy(workers));
  waiting_ += count;
  mutex_.NotifyAll();
  return absl::OkStatus();
}

JobQueue::Delivery JobQueue::Take(int worker, Patience patience) {
  MutexLock lock(&mutex_);
  Inbox& inbox = inboxes_[worker];
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

void JobQueue::Ended(int worker, const Job& job, Was was) {
  MutexLock lock(&mutex_);
  --(was == Was::kWaiting ? waiting_ : active_);
  inboxes_[worker].work -= WorkOf(job);
  if (waiting_ + active_ == 0) mutex_.NotifyAll();
}

JobQueue::Bereft JobQueue::Lose(int worker, std::vector<Job> taken,
                                const std::vector<std::vector<int>>& workers_of) {
  MutexLock lock(&mutex_);
  Inbox& inbox = inboxes_[worker];
  inbox.lost = true;
  Bereft bereft;
  for (size_t model = 0; model < workers_of.size(); ++model) {
    const std::vector<int>& workers = workers_of[model];
    const bool had = std::find(workers.begin(), workers.end(), worker) != workers.end();
    if (had && LeastBusy(workers) < 0) bereft.models.push_back(static_cast<int>(model));
  }
  for (Job& job : inbox.jobs) taken.push_back(std::move(job));
  inbox.jobs.clear();
  for (Job& job : taken) {
    // Once stopped, the other workers may have looked into their inboxes for the last time.
    const int other = stopped_ ? -1 : LeastBusy(workers_of[job.model]);
    if (other < 0) {
      bereft.jobs.push_back(std::move(job));
    } else {
      inbox.work -= WorkOf(job);
      Give(std::move(job), other);
    }
  }
  mutex_.NotifyAll();
  return bereft;
}

int JobQueue::LeastBusy(const std::vector<int>& workers) const {
  int least = -1;
  for (int worker : workers) {
    if (inboxes_[worker].lost) continue;
    if (least < 0 || inboxes_[worker].work < inboxes_[least].work) least = worker;
  }
  return least;
}

void JobQueue::Give(Job job, int worker) {
  inboxes_[worker].work += WorkOf(job);
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

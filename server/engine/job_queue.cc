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
  const int count = static_cast<int>(jobs.size());
  if (count > capacity_ - waiting_) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the queue is full: %d pictures wait of at most %d, and %d more were asked for",
                        waiting_, capacity_, count));
  }
  for (Job& job : jobs) {
    const int worker = *std::min_element(workers.begin(), workers.end(), [this](int a, int b) {
      mutex_.AssertHeld();
      return inboxes_[a].work < inboxes_[b].work;
    });
    inboxes_[worker].work += WorkOf(job);
    inboxes_[worker].jobs.push_back(std::move(job));
  }
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
  stopped_ = true;
  mutex_.NotifyAll();
}

}  // namespace easel

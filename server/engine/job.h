// Job: one picture asked for, complete, on its way to a worker. JobHandle: its caller's end.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "model/generation_spec.h"
#include "server/engine/job_listener.h"

namespace easel {

struct TokenizedPrompts;  // model/pipeline.h

// Set once by the handle, read by the worker at the top of each turn.
using CancelFlag = std::atomic<bool>;

// When the job must be done, which its handle can put off: the worker looks at the top of each turn.
class JobDeadline {
 public:
  explicit JobDeadline(absl::Time at) : nanos_(absl::ToUnixNanos(at)) {}
  absl::Time at() const {
    const int64_t nanos = nanos_;
    return nanos == std::numeric_limits<int64_t>::max() ? absl::InfiniteFuture() : absl::FromUnixNanos(nanos);
  }
  void PutOff(absl::Time at) {  // one thread at a time
    nanos_ = std::max<int64_t>(nanos_, absl::ToUnixNanos(at));
  }

 private:
  std::atomic<int64_t> nanos_;  // the most: never
};

// Cancels its job when dropped; a handle must be kept until the job's last event. Movable; may outlive the
// engine.
class JobHandle {
 public:
  JobHandle() = default;  // of no job
  JobHandle(std::shared_ptr<CancelFlag> cancelled, TokensCut tokens_cut,
            std::shared_ptr<JobDeadline> deadline = nullptr)
      : cancelled_(std::move(cancelled)), tokens_cut_(tokens_cut), deadline_(std::move(deadline)) {}
  JobHandle(JobHandle&&) = default;
  JobHandle& operator=(JobHandle&& other) {
    Cancel();
    cancelled_ = std::move(other.cancelled_);
    tokens_cut_ = other.tokens_cut_;
    deadline_ = std::move(other.deadline_);
    return *this;
  }
  ~JobHandle() { Cancel(); }

  // The job ends with OnFailure(Cancelled) at the worker's next turn, unless it has ended by then.
  // Idempotent; any thread.
  void Cancel() {
    if (cancelled_ != nullptr) *cancelled_ = true;
  }
  // The job need not be done before `at`; nothing where it need not anyway. One thread at a time.
  void PutOffDeadline(absl::Time at) {
    if (deadline_ != nullptr) deadline_->PutOff(at);
  }
  TokensCut tokens_cut() const { return tokens_cut_; }

 private:
  std::shared_ptr<CancelFlag> cancelled_;
  TokensCut tokens_cut_;
  std::shared_ptr<JobDeadline> deadline_;
};

// Moved from Submit's thread through the JobQueue to a worker's, which owns it from then on.
struct Job {
  int model = 0;  // index into the engine's models
  GenerationSpec spec;
  std::shared_ptr<const TokenizedPrompts> prompts;  // shared by a request's pictures
  std::shared_ptr<JobListener> listener;
  std::shared_ptr<const CancelFlag> cancelled;
  absl::Time submitted;
  absl::Time deadline = absl::InfiniteFuture();
  std::shared_ptr<const JobDeadline> put_off;  // what `deadline` has become meanwhile
  int preview_every_n_steps = 0;               // 0: none
  std::string preview_method;
  int rows = 1;         // of a forward: 2 with guidance
  int evaluations = 1;  // of the network, in all
  std::string tenant;
  double weight = 1;
  int priority = 0;
  std::vector<double> seconds_on;  // by worker: what it would take there, as predicted
                                   // when it was submitted; infinite: it does not fit
};

inline double SecondsSinceSubmit(const Job& job, absl::Time now) {
  return absl::ToDoubleSeconds(now - job.submitted);
}

}  // namespace easel

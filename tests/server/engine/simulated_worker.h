// A worker without threads, tensors or a clock: the policy, the costs and the shares of a real one, in
// simulated time. Forwards cost what a given function says.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/cost_model.h"
#include "server/engine/outlook.h"

namespace easel {

// One picture on its way.
struct SimulatedJob {
  Job job;
  int evaluations_left = 0;
  absl::Time arrival, last_served_at;
  absl::Time started = absl::InfinitePast(), ended = absl::InfinitePast();  // until it is
  uint64_t last_served = 0, arrived = 0;
  std::optional<double> foretold_wait;  // told when it was first left waiting
  bool was_told = false, refused = false;
};

class SimulatedWorker {
 public:
  using ForwardSeconds = std::function<double(int rows)>;
  SimulatedWorker(std::unique_ptr<const BatchPolicy> policy, int max_rows, ForwardSeconds seconds)
      : policy_(std::move(policy)), seconds_(std::move(seconds)), costs_(max_rows), outlook_(&costs_) {
    ModelCosts known;
    known.width = known.height = kSide;
    for (int rows = 1; rows <= max_rows; rows *= 2) known.forwards.push_back({kShape, rows, seconds_(rows)});
    costs_.Learn(0, known);
  }

  // `at`: seconds from the beginning, not before the last one's. `deadline`: seconds after that.
  SimulatedJob* Plan(double at, int steps, Job job = {},
                     double deadline = std::numeric_limits<double>::infinity()) {
    auto planned = std::make_unique<SimulatedJob>();
    planned->job = std::move(job);
    planned->job.spec.width = planned->job.spec.height = kSide;
    planned->job.spec.num_inference_steps = planned->evaluations_left = steps;
    planned->arrival = planned->last_served_at = planned->job.submitted =
        absl::UnixEpoch() + absl::Seconds(at);
    planned->job.deadline = planned->arrival + absl::Seconds(deadline);
    planned->arrived = jobs_.size() + 1;
    jobs_.push_back(std::move(planned));
    return jobs_.back().get();
  }

  // Until all are done, or `seconds` have passed.
  void Run(double seconds = 1e18) {
    const absl::Time end = absl::UnixEpoch() + absl::Seconds(seconds);
    while (now_ < end) {
      Receive();
      DropHopeless();
      Begin();
      if (!active_.empty()) {
        Evaluate();
      } else if (next_ < jobs_.size()) {
        now_ = jobs_[next_]->arrival;
      } else {
        return;
      }
    }
  }

  double busy_seconds() const { return busy_seconds_; }
  const std::vector<std::unique_ptr<SimulatedJob>>& jobs() const { return jobs_; }

 private:
  static constexpr int kSide = 64;
  static constexpr int kQueueOfATenant = 8;  // more of it are refused
  static constexpr ForwardShape kShape = {0, 4, 8, 8, 16};

  BatchCandidate Candidate(const SimulatedJob& job) const {
    JobWork left = WholeWork(job.job);
    left.evaluations = job.evaluations_left;
    BatchCandidate candidate = outlook_.Candidate(job.job, left, job.last_served_at, now_);
    candidate.last_served = job.last_served;
    candidate.arrived = job.arrived;
    return candidate;
  }
  std::vector<BatchCandidate> Candidates(const std::vector<SimulatedJob*>& jobs) const {
    std::vector<BatchCandidate> candidates;
    for (const SimulatedJob* job : jobs) candidates.push_back(Candidate(*job));
    return candidates;
  }

  void Receive() {
    for (; next_ < jobs_.size() && jobs_[next_]->arrival <= now_; ++next_) {
      const std::string& tenant = jobs_[next_]->job.tenant;
      const auto of_tenant = [&](const SimulatedJob* job) { return job->job.tenant == tenant; };
      jobs_[next_]->refused = std::count_if(waiting_.begin(), waiting_.end(), of_tenant) >= kQueueOfATenant;
      if (jobs_[next_]->refused) continue;
      outlook_.Arrived(jobs_[next_]->job, now_);
      waiting_.push_back(jobs_[next_].get());
    }
  }
  void DropHopeless() {
    if (!policy_->drops_hopeless()) return;
    const auto drop = [this](SimulatedJob* job) {
      const BatchCandidate candidate = Candidate(*job);
      job->refused = candidate.seconds_left > candidate.seconds_to_deadline;
      if (job->refused) outlook_.Ended(job->job);
      return job->refused;
    };
    std::erase_if(waiting_, drop);
    std::erase_if(active_, drop);
  }
  void Begin() {
    if (waiting_.empty()) return;
    const std::vector<size_t> begun = policy_->Begin(Candidates(active_), Candidates(waiting_));
    for (size_t i : begun) {
      waiting_[i]->started = now_;
      active_.push_back(waiting_[i]);
    }
    std::erase_if(waiting_, [](const SimulatedJob* job) { return job->started != absl::InfinitePast(); });
    const auto told = [](const SimulatedJob* job) { return job->was_told; };
    if (std::all_of(waiting_.begin(), waiting_.end(), told)) return;
    for (const PlaceInLine& place :
         policy_->Line(Candidates(active_), Candidates(waiting_), costs_.times())) {
      SimulatedJob& job = *waiting_[place.position];
      if (!std::exchange(job.was_told, true)) {
        job.foretold_wait = place.wait_seconds;
        if (place.wait_seconds.has_value()) *job.foretold_wait += absl::ToDoubleSeconds(now_ - job.arrival);
      }
    }
  }
  void Evaluate() {
    const std::vector<size_t> picked = policy_->Pick(Candidates(active_), costs_.times());
    int rows = 0;
    for (size_t i : picked) rows += active_[i]->job.rows;
    const double seconds = seconds_(rows);
    now_ += absl::Seconds(seconds);
    busy_seconds_ += seconds;
    costs_.ObserveForward(kShape, rows, seconds);
    ++forwards_;
    for (size_t i : picked) {
      SimulatedJob& job = *active_[i];
      outlook_.Served(job.job, seconds * job.job.rows / rows, now_);
      job.last_served = forwards_;
      job.last_served_at = now_;
      if (--job.evaluations_left > 0) continue;
      job.ended = now_;
      outlook_.Ended(job.job);
    }
    std::erase_if(active_, [](const SimulatedJob* job) { return job->evaluations_left == 0; });
  }

  const std::unique_ptr<const BatchPolicy> policy_;
  const ForwardSeconds seconds_;
  CostModel costs_;
  Outlook outlook_;
  std::vector<std::unique_ptr<SimulatedJob>> jobs_;  // by arrival
  size_t next_ = 0;                                  // of them
  std::vector<SimulatedJob*> waiting_, active_;
  absl::Time now_ = absl::UnixEpoch();
  double busy_seconds_ = 0;
  uint64_t forwards_ = 0;
};

}  // namespace easel

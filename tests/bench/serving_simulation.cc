#include "tests/bench/serving_simulation.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <utility>

#include "absl/time/time.h"
#include "server/engine/batcher.h"
#include "server/engine/cost_model.h"
#include "server/engine/job_queue.h"
#include "server/engine/outlook.h"

namespace easel {
namespace {

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }
double SecondsOf(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

// What things take, whatever the workers believe.
class Truth {
 public:
  explicit Truth(const std::vector<ModelCosts>& costs) : costs_(costs) {
    for (const ModelCosts& of_size : costs) {
      for (const ForwardTime& forward : of_size.forwards) times_.Observe(forward.shape, forward.rows, forward.seconds);
    }
  }

  double Forward(const ForwardShape& shape, int rows) const { return *times_.Seconds(shape, rows); }
  const ModelCosts& OfSize(int width, int height) const {
    return *std::find_if(costs_.begin(), costs_.end(), [&](const ModelCosts& costs) {
      return costs.width == width && costs.height == height;
    });
  }
  ForwardShape Shape(int width, int height) const { return OfSize(width, height).forwards[0].shape; }

 private:
  const std::vector<ModelCosts>& costs_;
  StepTimes times_;
};

// Which of the requests a job is, by the field that no policy looks at.
size_t RequestOf(const Job& job) { return static_cast<size_t>(job.spec.seed); }

// Worker (worker.h) with the network taken out: the same turn, whose parts have the names that they have there.
// SimulationTest.IsTheEngine holds them together.
class SimulatedWorker {
 public:
  SimulatedWorker(int index, const SimulatedServer& server, const Truth& truth, JobQueue* queue,
                  std::vector<LoadRecord>* records)
      : index_(index),
        server_(server),
        truth_(truth),
        policy_(server.policy(server.max_batch_rows)),
        costs_(std::make_unique<CostModel>(server.max_batch_rows)),
        outlook_(costs_.get()),
        queue_(queue),
        records_(*records) {
    for (const ModelCosts& costs : server.costs) costs_->Learn(/*model=*/0, costs);
  }

  const CostModel& costs() const { return *costs_; }
  const BatchPolicy& policy() const { return *policy_; }

  // One turn, from `now` on; when it ends. Absent: there was nothing to do.
  std::optional<absl::Time> Turn(absl::Time now) {
    now_ = now;
    Receive();
    DropExpired();
    Admit();
    TellPositions();
    if (active_.empty()) return std::nullopt;
    Evaluate();
    Finish();
    return now_;
  }

 private:
  struct Active {
    Job job;
    uint64_t arrived = 0;
    uint64_t last_served = 0;
    absl::Time last_served_at;
    ForwardShape shape = {};
    int steps_done = 0;
    int64_t batch_sizes = 0;
    bool ended = false;
    bool done() const { return steps_done == job.spec.num_inference_steps; }
  };
  struct Waiting {
    Job job;
    uint64_t arrived = 0;
    bool begun = false;
    bool told = false;  // how long it will wait
  };

  void Receive() {
    const double seconds = SecondsOfWork();
    JobQueue::Delivery delivery = queue_->Take(index_, JobQueue::Patience::kDoNotWait, seconds);
    for (Job& job : delivery.jobs) {
      outlook_.Arrived(job, now_);
      waiting_.push_back({std::move(job), ++arrived_});
    }
    if (policy_->drops_hopeless()) RefuseWhatCannotBeDone(delivery.jobs.size());
  }

  void RefuseWhatCannotBeDone(size_t newest) {
    if (newest == 0) return;
    std::vector<BatchCandidate> accepted = ActiveCandidates();
    size_t i = 0;
    const size_t known = waiting_.size() - newest;
    std::erase_if(waiting_, [&](const Waiting& waiting) {
      const BatchCandidate candidate = CandidateOf(waiting);
      const bool refused =
          i++ >= known && SecondsUntilDone(candidate, accepted) > candidate.seconds_to_deadline;
      if (refused) {
        End(waiting.job, absl::StatusCode::kDeadlineExceeded, JobQueue::Was::kWaiting);
      } else {
        accepted.push_back(candidate);
      }
      return refused;
    });
  }

  void DropExpired() {
    const auto expired = [&](const auto& entry, JobQueue::Was was) {
      const Job& job = entry.job;
      if (job.deadline == absl::InfiniteFuture()) return false;
      if (job.deadline > now_ && !(policy_->drops_hopeless() && IsHopeless(CandidateOf(entry)))) return false;
      End(job, absl::StatusCode::kDeadlineExceeded, was);
      return true;
    };
    std::erase_if(waiting_, [&](const Waiting& waiting) { return expired(waiting, JobQueue::Was::kWaiting); });
    std::erase_if(active_, [&](const Active& active) { return expired(active, JobQueue::Was::kActive); });
  }

  void Admit() {
    if (waiting_.empty()) return;
    const std::vector<size_t> begun = policy_->Begin(ActiveCandidates(), WaitingCandidates());
    for (size_t i : begun) {
      Waiting& waiting = waiting_[i];
      waiting.begun = true;
      Active& active = active_.emplace_back();
      active.job = std::move(waiting.job);
      active.arrived = waiting.arrived;
      active.last_served_at = active.job.submitted;
      active.shape = truth_.Shape(active.job.spec.width, active.job.spec.height);
      queue_->Began(1);
      LoadRecord& record = records_[RequestOf(active.job)];
      record.queue_seconds = absl::ToDoubleSeconds(now_ - active.job.submitted);
      if (waiting.told) record.waited = record.queue_seconds;
      const double encode = truth_.OfSize(active.job.spec.width, active.job.spec.height).encode_seconds;
      now_ += absl::Seconds(encode);
      Spent(active.job, encode);
      costs_->ObserveEncode(0, encode);
    }
    std::erase_if(waiting_, [](const Waiting& waiting) { return waiting.begun; });
  }

  // Only the first time, which is what is measured; the engine goes on.
  void TellPositions() {
    if (std::all_of(waiting_.begin(), waiting_.end(), [](const Waiting& waiting) { return waiting.told; })) return;
    for (const PlaceInLine& place : policy_->Line(ActiveCandidates(), WaitingCandidates(), costs_->times())) {
      Waiting& waiting = waiting_[place.position];
      if (std::exchange(waiting.told, true) || !place.wait_seconds.has_value()) continue;
      records_[RequestOf(waiting.job)].estimated_wait =
          absl::ToDoubleSeconds(now_ - waiting.job.submitted) + *place.wait_seconds;
    }
  }

  void Evaluate() {
    std::vector<Active*> denoising, batch;
    for (Active& active : active_) {
      if (!active.done()) denoising.push_back(&active);
    }
    int rows = 0;
    std::vector<size_t> requests;
    for (size_t i : policy_->Pick(Candidates([](const Active& active) { return !active.done(); }), costs_->times())) {
      batch.push_back(denoising[i]);
      rows += denoising[i]->job.rows;
      requests.push_back(RequestOf(denoising[i]->job));
    }
    if (batch.empty()) return;
    if (server_.trace != nullptr) server_.trace(index_, SecondsOf(now_), requests);
    const double seconds = truth_.Forward(batch[0]->shape, rows);
    now_ += absl::Seconds(seconds);
    costs_->ObserveForward(batch[0]->shape, rows, seconds);
    ++evaluations_;
    for (Active* active : batch) {
      Spent(active->job, seconds * active->job.rows / rows);
      Advanced(*active, static_cast<int>(batch.size()));
    }
  }

  void Advanced(Active& active, int batch_size) {
    active.last_served = evaluations_;
    active.last_served_at = now_;
    active.batch_sizes += batch_size;
    ++active.steps_done;
    LoadRecord& record = records_[RequestOf(active.job)];
    record.mean_batch = static_cast<double>(active.batch_sizes) / active.steps_done;
    const int every_n = server_.preview_every_n_steps;
    if (every_n > 0 && active.steps_done % every_n == 0 && !active.done() && !record.first_preview.has_value()) {
      record.first_preview = SecondsOf(now_);
    }
  }

  void Finish() {
    auto finished = active_.end();
    for (auto active = active_.begin(); active != active_.end(); ++active) {
      if (!active->done()) continue;
      const bool first = finished == active_.end() || GoesBefore(CandidateOf(*active), CandidateOf(*finished));
      if (first) finished = active;
    }
    if (finished == active_.end()) return;
    const GenerationSpec& spec = finished->job.spec;
    const double decode = truth_.OfSize(spec.width, spec.height).decode_seconds;
    now_ += absl::Seconds(decode);
    Spent(finished->job, decode);
    costs_->ObserveDecode(0, spec.width, spec.height, decode);
    End(finished->job, absl::StatusCode::kOk, JobQueue::Was::kActive);
    active_.erase(finished);
  }

  void End(const Job& job, absl::StatusCode code, JobQueue::Was was) {
    LoadRecord& record = records_[RequestOf(job)];
    record.ended = SecondsOf(now_);
    record.code = code;
    outlook_.Ended(job);
    queue_->Ended(job, was);
  }

  static JobWork WorkLeft(const Active& active) {
    JobWork left = WholeWork(active.job);
    left.evaluations -= active.steps_done;
    left.encoded = true;
    left.shape = active.shape;
    return left;
  }
  BatchCandidate CandidateOf(const Active& active) const {
    BatchCandidate candidate = outlook_.Candidate(active.job, WorkLeft(active), active.last_served_at, now_);
    candidate.last_served = active.last_served;
    candidate.arrived = active.arrived;
    return candidate;
  }
  BatchCandidate CandidateOf(const Waiting& waiting) const {
    BatchCandidate candidate =
        outlook_.Candidate(waiting.job, WholeWork(waiting.job), waiting.job.submitted, now_);
    candidate.arrived = waiting.arrived;
    return candidate;
  }
  template <typename Which>
  std::vector<BatchCandidate> Candidates(Which which) const {
    std::vector<BatchCandidate> candidates;
    for (const Active& active : active_) {
      if (which(active)) candidates.push_back(CandidateOf(active));
    }
    return candidates;
  }
  std::vector<BatchCandidate> ActiveCandidates() const {
    return Candidates([](const Active&) { return true; });
  }
  std::vector<BatchCandidate> WaitingCandidates() const {
    std::vector<BatchCandidate> candidates;
    for (const Waiting& waiting : waiting_) candidates.push_back(CandidateOf(waiting));
    return candidates;
  }
  double SecondsOfWork() const {
    double seconds = 0;
    for (const Active& active : active_) {
      const int steps = active.job.spec.num_inference_steps;
      seconds += active.job.seconds_on[index_] * (steps - active.steps_done) / steps;
      if (active.done()) seconds += costs_->Predict(WorkLeft(active)).outside_forwards;
    }
    for (const Waiting& waiting : waiting_) seconds += waiting.job.seconds_on[index_];
    return seconds;
  }
  void Spent(const Job& job, double seconds) { outlook_.Served(job, seconds, now_); }

  const int index_;
  const SimulatedServer& server_;
  const Truth& truth_;
  const std::unique_ptr<const BatchPolicy> policy_;
  const std::unique_ptr<CostModel> costs_;
  Outlook outlook_;
  JobQueue* const queue_;
  std::vector<LoadRecord>& records_;

  absl::Time now_;
  std::deque<Waiting> waiting_;
  std::deque<Active> active_;  // by age
  uint64_t evaluations_ = 0;
  uint64_t arrived_ = 0;
};

// The workers, their clocks, and Engine::Submit.
class Simulation {
 public:
  Simulation(const SimulatedServer& server, const std::vector<SimulatedRequest>& requests)
      : requests_(requests), truth_(server.costs), queue_(server.workers, server.max_queue, server.max_tenant_jobs), records_(requests.size()) {
    for (int i = 0; i < server.workers; ++i) {
      everyone_.push_back(i);
      workers_.push_back(std::make_unique<SimulatedWorker>(i, server, truth_, &queue_, &records_));
    }
    idle_.assign(workers_.size(), true);
    for (size_t i = 0; i < requests.size(); ++i) {
      LoadRecord& record = records_[i];
      record.planned = record.sent = requests[i].arrival;
      record.tenant = requests[i].tenant;
      record.deadline = requests[i].slo;
      record.solo = SoloSeconds(server, requests[i]);
    }
  }

  // Events in their order: an arrival before a turn of the same moment, so that this turn sees it.
  std::vector<LoadRecord> Run() {
    size_t next = 0;
    while (next < requests_.size() || !turns_.empty()) {
      const bool arrival =
          next < requests_.size() && (turns_.empty() || At(requests_[next].arrival) <= turns_.top().first);
      if (arrival) {
        const absl::Time now = At(requests_[next].arrival);
        do {
          Submit(next++, now);
        } while (next < requests_.size() && At(requests_[next].arrival) == now);
        WakeIdle(now);
        continue;
      }
      const auto [now, worker] = turns_.top();
      turns_.pop();
      const std::optional<absl::Time> end = workers_[worker]->Turn(now);
      idle_[worker] = !end.has_value();
      if (end.has_value()) turns_.push({*end, worker});
    }
    return std::move(records_);
  }

 private:
  void Submit(size_t request, absl::Time now) {
    const SimulatedRequest& asked = requests_[request];
    Job job;
    job.spec.width = asked.width;
    job.spec.height = asked.height;
    job.spec.num_inference_steps = job.evaluations = asked.steps;
    job.spec.seed = request;
    job.submitted = now;
    if (asked.deadline) job.deadline = now + absl::Seconds(asked.slo);
    job.rows = asked.rows;
    job.tenant = asked.tenant;
    job.weight = asked.weight;
    job.priority = asked.priority;
    double least = std::numeric_limits<double>::infinity();
    for (const auto& worker : workers_) {
      const JobCost cost = worker->costs().Predict(WholeWork(job));
      job.seconds_on.push_back(*cost.seconds);
      least = std::min(least, cost.least);
    }
    absl::Status status;
    if (workers_[0]->policy().drops_hopeless() && absl::Seconds(least) > job.deadline - now) {
      status = absl::DeadlineExceededError("");
    } else {
      std::vector<Job> jobs;
      jobs.push_back(std::move(job));
      status = queue_.Push(std::move(jobs), everyone_);
    }
    if (status.ok()) return;
    records_[request].ended = records_[request].planned;
    records_[request].code = status.code();
  }

  void WakeIdle(absl::Time now) {
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!idle_[i]) continue;
      idle_[i] = false;
      turns_.push({now, i});
    }
  }

  const std::vector<SimulatedRequest>& requests_;
  const Truth truth_;
  JobQueue queue_;
  std::vector<LoadRecord> records_;
  std::vector<int> everyone_;
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
  std::vector<bool> idle_;
  using NextTurn = std::pair<absl::Time, size_t>;  // when, and whose
  std::priority_queue<NextTurn, std::vector<NextTurn>, std::greater<NextTurn>> turns_;
};

}  // namespace

double SoloSeconds(const SimulatedServer& server, const SimulatedRequest& request) {
  const Truth truth(server.costs);
  const ModelCosts& costs = truth.OfSize(request.width, request.height);
  return costs.encode_seconds + request.steps * truth.Forward(costs.forwards[0].shape, request.rows) +
         costs.decode_seconds;
}

std::vector<LoadRecord> Simulate(const SimulatedServer& server, const std::vector<SimulatedRequest>& requests) {
  return Simulation(server, requests).Run();
}

}  // namespace easel

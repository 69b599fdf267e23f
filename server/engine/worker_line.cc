// The worker's line: who of those that wait is refused, taken up or told of its place, and who leaves early.
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/engine/batcher.h"
#include "server/engine/worker.h"

namespace easel {
namespace {

absl::Status CannotBeDone(double seconds, double seconds_to_deadline) {
  return absl::DeadlineExceededError(absl::StrFormat(
      "the picture takes %.2f s more at best, and the deadline is in %.2f s", seconds, seconds_to_deadline));
}

}  // namespace

void Worker::HearOfDeadlines() {
  const auto hear = [](Job& job) { job.deadline = job.put_off->at(); };
  for (Waiting& waiting : waiting_) hear(waiting.job);
  for (const auto& active : active_) hear(active->job);
}

// Those that came and cannot be done behind what was accepted before them, at best.
void Worker::RefuseWhatCannotBeDone(size_t newest) {
  if (newest == 0) return;
  const absl::Time now = options_.now();
  std::vector<BatchCandidate> accepted = ActiveCandidates(now);
  size_t i = 0;
  const size_t known = waiting_.size() - newest;
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    const BatchCandidate candidate = CandidateOf(waiting, now);
    const double seconds = SecondsUntilDone(candidate, accepted);
    const bool refused = i++ >= known &&
                         candidate.seconds_to_deadline > 0 &&  // else: DropCancelledAndExpired
                         seconds > candidate.seconds_to_deadline;
    if (!refused) {
      accepted.push_back(candidate);
      return false;
    }
    options_.observer->OnDeadlineRefused(NameOf(waiting.job));
    JobAccounting accounting;
    accounting.estimated_seconds = SecondsSinceSubmit(waiting.job, now) + seconds;
    EndJob(waiting.job, CannotBeDone(seconds, candidate.seconds_to_deadline), accounting,
           JobQueue::Was::kWaiting);
    return true;
  });
}

void Worker::DropCancelledAndExpired() {
  const absl::Time now = options_.now();
  // `accounting` gets the estimate where that is why.
  const auto why = [&](const auto& entry, JobAccounting& accounting) {
    const Job& job = entry.job;
    // First, for at its deadline a call is cancelled, too.
    if (job.deadline <= now)
      return absl::DeadlineExceededError("the deadline passed before the picture was done");
    if (*job.cancelled) return absl::CancelledError("the job was cancelled");
    if (job.deadline == absl::InfiniteFuture() || !options_.policy->drops_hopeless()) return absl::OkStatus();
    BatchCandidate candidate;  // as far as it matters here: at every turn it is asked of every job
    candidate.seconds_left = options_.costs->Predict(WorkLeft(entry)).least;
    candidate.seconds_to_deadline = absl::ToDoubleSeconds(job.deadline - now);
    if (!IsHopeless(candidate)) return absl::OkStatus();
    options_.observer->OnHopeless(NameOf(job));
    accounting.estimated_seconds = SecondsSinceSubmit(job, now) + candidate.seconds_left;
    return CannotBeDone(candidate.seconds_left, candidate.seconds_to_deadline);
  };
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    JobAccounting accounting;
    const absl::Status status = why(waiting, accounting);
    if (!status.ok()) EndJob(waiting.job, status, accounting, JobQueue::Was::kWaiting);
    return !status.ok();
  });
  std::erase_if(active_, [&](const auto& active) {
    const absl::Status status = why(*active, active->accounting);
    if (!status.ok()) End(*active, status);
    return !status.ok();
  });
}

void Worker::Admit() {
  if (waiting_.empty()) return;
  const absl::Time now = options_.now();
  const std::vector<size_t> begun = options_.policy->Begin(ActiveCandidates(now), WaitingCandidates(now));
  std::vector<Waiting> taken;
  for (size_t i : begun) taken.push_back(std::move(waiting_[i]));
  std::erase_if(waiting_, [](const Waiting& waiting) { return waiting.job.listener == nullptr; });  // moved
  for (Waiting& waiting : taken) {
    if (lost_.ok()) {
      TakeUp(std::move(waiting));
    } else {
      waiting_.push_back(std::move(waiting));  // for another worker
    }
  }
}

// To those whose place changed. Looking ahead costs more than the rest of a turn: only when somebody came or
// left.
void Worker::TellPositions() {
  if (!std::exchange(line_changed_, false) || waiting_.empty()) return;
  const absl::Time now = options_.now();
  const std::vector<PlaceInLine> line =
      options_.policy->Line(ActiveCandidates(now), WaitingCandidates(now), options_.costs->times());
  for (int position = 0; const PlaceInLine& place : line) {
    Waiting& waiting = waiting_[place.position];
    if (position != waiting.told_position) {
      if (waiting.told_position < 0 && place.wait_seconds.has_value())
        waiting.foretold_wait = SecondsSinceSubmit(waiting.job, now) + *place.wait_seconds;
      waiting.told_position = position;
      waiting.job.listener->OnQueued(position, place.wait_seconds);
    }
    ++position;
  }
}

JobWork Worker::WorkLeft(const Active& active) {
  JobWork left = WholeWork(active.job);
  left.evaluations = EvaluationsLeft(active);
  left.encoded = true;
  left.shape = active.shape;
  return left;
}

JobWork Worker::WorkLeft(const Waiting& waiting) { return WholeWork(waiting.job); }

BatchCandidate Worker::CandidateOf(const Active& active, absl::Time now) const {
  BatchCandidate candidate = outlook_.Candidate(active.job, WorkLeft(active), active.last_served_at, now);
  candidate.last_served = active.last_served;
  candidate.arrived = active.arrived;
  return candidate;
}

BatchCandidate Worker::CandidateOf(const Waiting& waiting, absl::Time now) const {
  BatchCandidate candidate = outlook_.Candidate(waiting.job, WorkLeft(waiting), waiting.job.submitted, now);
  candidate.arrived = waiting.arrived;
  return candidate;
}

int Worker::EvaluationsLeft(const Active& active) {
  return active.sampler->total_evaluations() - active.accounting.forwards;
}

std::vector<BatchCandidate> Worker::ActiveCandidates(absl::Time now, Which which) const {
  std::vector<BatchCandidate> candidates;
  candidates.reserve(active_.size());
  std::vector<std::pair<ForwardShape, int>> caps;  // of few shapes
  for (const auto& active : active_) {
    if (active->ended || (which == Which::kDenoising && active->sampler->done())) continue;
    candidates.push_back(CandidateOf(*active, now));
    const auto same = [&](const auto& cap) { return cap.first == active->shape; };
    auto cap = std::find_if(caps.begin(), caps.end(), same);
    if (cap == caps.end()) cap = caps.insert(cap, {active->shape, RowCap(active->shape)});
    candidates.back().row_cap = std::min(candidates.back().row_cap, cap->second);
  }
  return candidates;
}

std::vector<BatchCandidate> Worker::WaitingCandidates(absl::Time now) const {
  std::vector<BatchCandidate> candidates;
  candidates.reserve(waiting_.size());
  for (const Waiting& waiting : waiting_) candidates.push_back(CandidateOf(waiting, now));
  return candidates;
}

double Worker::SecondsOfWork() const {
  double seconds = 0;
  for (const auto& active : active_) {
    const int left = EvaluationsLeft(*active);
    seconds += active->job.seconds_on[options_.index] * left / active->job.evaluations;
    if (left == 0) seconds += options_.costs->Predict(WorkLeft(*active)).outside_forwards;  // its decoding
  }
  for (const Waiting& waiting : waiting_) seconds += waiting.job.seconds_on[options_.index];
  return seconds;
}

}  // namespace easel

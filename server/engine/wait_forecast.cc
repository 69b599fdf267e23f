#include "server/engine/wait_forecast.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "server/engine/batcher.h"

namespace easel {
namespace {

// A job, as far as it matters here.
struct Playing {
  Claim claim;
  size_t shape = 0;  // of Forecast's
  int rows = 1;
  int row_cap = 1;
  int evaluations = 0;  // left
  double outside_forwards = 0;
};

bool GoesFirst(const Playing& a, const Playing& b) { return a.claim < b.claim; }

// What happens on the worker from now on.
class Forecast {
 public:
  Forecast(const std::vector<BatchCandidate>& active, int64_t max_active_rows, const StepTimes& times)
      : max_active_rows_(max_active_rows), times_(times) {
    for (const BatchCandidate& job : active) {
      active_.push_back(PlayingOf(job));
      rows_ += job.rows;
    }
    std::stable_sort(active_.begin(), active_.end(), GoesFirst);
  }

  double now() const { return now_; }
  Playing PlayingOf(const BatchCandidate& job) {
    const auto known = std::find(shapes_.begin(), shapes_.end(), job.shape);
    const size_t shape = known - shapes_.begin();
    if (known == shapes_.end()) shapes_.push_back(job.shape);
    return {ClaimOf(job), shape, job.rows, job.row_cap, job.evaluations, job.outside_forwards};
  }
  bool HasSeat(const Playing& job) const {
    const bool claims = !active_.empty() && GoesFirst(job, active_.back());
    return active_.empty() || rows_ + job.rows <= (claims ? 2 : 1) * max_active_rows_;
  }
  void Begin(const Playing& job) {
    active_.insert(std::upper_bound(active_.begin(), active_.end(), job, GoesFirst), job);
    rows_ += job.rows;
  }
  // Until the next job ends; false: how long that takes is not known. REQUIRES: there is one.
  bool AdvanceToNextEnd() {
    return std::isfinite(active_[0].claim.deadline) ? AdvanceOneForward() : AdvanceInTurns();
  }

 private:
  // The first and whoever shares its forwards.
  bool AdvanceOneForward() {
    const Playing first = active_[0];
    int rows = 0, forwards = first.evaluations;
    const auto for_each_of_batch = [&](auto action) {
      rows = 0;
      for (Playing& job : active_) {
        if (job.shape != first.shape || (rows > 0 && rows + job.rows > first.row_cap)) continue;
        rows += job.rows;
        action(job);
      }
    };
    for_each_of_batch([&](const Playing& job) { forwards = std::min(forwards, job.evaluations); });
    const std::optional<double> seconds = times_.Seconds(shapes_[first.shape], rows);
    if (!seconds.has_value()) return false;
    now_ += forwards * *seconds;
    for_each_of_batch([&](Playing& job) { job.evaluations -= forwards; });
    EndThoseDone();
    return true;
  }

  // All of the first class: one round is a forward for each.
  bool AdvanceInTurns() {
    const auto end = std::upper_bound(active_.begin(), active_.end(), active_[0], GoesFirst);
    struct Rows {
      int all = 0;
      int cap = 1;
    };
    std::vector<Rows> rows_of(shapes_.size());
    int rounds = active_[0].evaluations;
    for (auto job = active_.begin(); job != end; ++job) {
      Rows& rows = rows_of[job->shape];
      rows.all += job->rows;
      rows.cap = std::max({rows.cap, job->row_cap, job->rows});
      rounds = std::min(rounds, job->evaluations);
    }
    double round_seconds = 0;
    for (size_t shape = 0; shape < shapes_.size(); ++shape) {
      const Rows& rows = rows_of[shape];
      if (rows.all == 0) continue;
      const int of_a_forward = std::min(rows.all, rows.cap);
      const std::optional<double> seconds = times_.Seconds(shapes_[shape], of_a_forward);
      if (!seconds.has_value()) return false;
      round_seconds += *seconds * rows.all / of_a_forward;
    }
    now_ += rounds * round_seconds;
    for (auto job = active_.begin(); job != end; ++job) job->evaluations -= rounds;
    EndThoseDone();
    return true;
  }

  void EndThoseDone() {
    std::erase_if(active_, [this](const Playing& job) {
      if (job.evaluations > 0) return false;
      now_ += job.outside_forwards;
      rows_ -= job.rows;
      return true;
    });
  }

  const int64_t max_active_rows_;
  const StepTimes& times_;
  std::vector<Playing> active_;  // who goes first, first
  std::vector<ForwardShape> shapes_;
  int rows_ = 0;
  double now_ = 0;
};

}  // namespace

std::vector<std::optional<double>> ForecastWaits(const std::vector<BatchCandidate>& active,
                                                 const std::vector<BatchCandidate>& line,
                                                 int64_t max_active_rows, const StepTimes& times) {
  std::vector<std::optional<double>> waits(line.size());
  Forecast forecast(active, max_active_rows, times);
  for (size_t i = 0; i < line.size(); ++i) {
    const Playing job = forecast.PlayingOf(line[i]);
    while (!forecast.HasSeat(job)) {
      if (!forecast.AdvanceToNextEnd()) return waits;
    }
    waits[i] = forecast.now();
    forecast.Begin(job);
  }
  return waits;
}

}  // namespace easel

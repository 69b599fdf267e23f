#include "server/engine/wait_forecast.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "server/engine/batcher.h"

namespace easel {
namespace {

// What happens on the worker from now on.
class Forecast {
 public:
  Forecast(std::vector<BatchCandidate> active, const StepTimes& times)
      : active_(std::move(active)), times_(times) {
    std::stable_sort(active_.begin(), active_.end(), HasClaimOver);
    for (const BatchCandidate& job : active_) rows_ += job.rows;
  }

  double now() const { return now_; }
  bool HasSeat(const BatchCandidate& job, int max_active_rows) const {
    const bool claims = !active_.empty() && HasClaimOver(job, active_.back());
    return active_.empty() || rows_ + job.rows <= (claims ? 2 : 1) * max_active_rows;
  }
  void Begin(const BatchCandidate& job) {
    active_.insert(std::upper_bound(active_.begin(), active_.end(), job, HasClaimOver), job);
    rows_ += job.rows;
  }
  // Until the next job ends; false: how long that takes is not known. REQUIRES: there is one.
  bool AdvanceToNextEnd() {
    const bool due = std::isfinite(active_[0].seconds_to_deadline) && !IsHopeless(active_[0]);
    return due ? AdvanceOneForward() : AdvanceInTurns();
  }

 private:
  // The first and whoever shares its forwards.
  bool AdvanceOneForward() {
    const ForwardShape shape = active_[0].shape;
    std::vector<size_t> batch = {0};
    int rows = active_[0].rows, forwards = active_[0].evaluations;
    for (size_t i = 1; i < active_.size(); ++i) {
      if (active_[i].shape != shape || rows + active_[i].rows > active_[0].row_cap) continue;
      batch.push_back(i);
      rows += active_[i].rows;
      forwards = std::min(forwards, active_[i].evaluations);
    }
    const std::optional<double> seconds = times_.Seconds(shape, rows);
    if (!seconds.has_value()) return false;
    now_ += forwards * *seconds;
    for (size_t i : batch) active_[i].evaluations -= forwards;
    EndThoseDone();
    return true;
  }

  // All of the first class: one round is a forward for each.
  bool AdvanceInTurns() {
    const auto end = std::upper_bound(active_.begin(), active_.end(), active_[0], HasClaimOver);
    struct Rows {
      int all = 0;
      int cap = 1;
    };
    std::map<ForwardShape, Rows> shapes;
    int rounds = active_[0].evaluations;
    for (auto job = active_.begin(); job != end; ++job) {
      Rows& rows = shapes[job->shape];
      rows.all += job->rows;
      rows.cap = std::max({rows.cap, job->row_cap, job->rows});
      rounds = std::min(rounds, job->evaluations);
    }
    double round_seconds = 0;
    for (const auto& [shape, rows] : shapes) {
      const int of_a_forward = std::min(rows.all, rows.cap);
      const std::optional<double> seconds = times_.Seconds(shape, of_a_forward);
      if (!seconds.has_value()) return false;
      round_seconds += *seconds * rows.all / of_a_forward;
    }
    now_ += rounds * round_seconds;
    for (auto job = active_.begin(); job != end; ++job) job->evaluations -= rounds;
    EndThoseDone();
    return true;
  }

  void EndThoseDone() {
    std::erase_if(active_, [this](const BatchCandidate& job) {
      if (job.evaluations > 0) return false;
      now_ += job.outside_forwards;
      rows_ -= job.rows;
      return true;
    });
  }

  std::vector<BatchCandidate> active_;  // who goes first, first
  const StepTimes& times_;
  int rows_ = 0;
  double now_ = 0;
};

}  // namespace

std::vector<std::optional<double>> ForecastWaits(const std::vector<BatchCandidate>& active,
                                                 const std::vector<BatchCandidate>& line, int max_active_rows,
                                                 const StepTimes& times) {
  std::vector<std::optional<double>> waits(line.size());
  Forecast forecast(active, times);
  for (size_t i = 0; i < line.size(); ++i) {
    while (!forecast.HasSeat(line[i], max_active_rows)) {
      if (!forecast.AdvanceToNextEnd()) return waits;
    }
    waits[i] = forecast.now();
    forecast.Begin(line[i]);
  }
  return waits;
}

}  // namespace easel

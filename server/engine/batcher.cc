#include "server/engine/batcher.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "server/engine/tenant_shares.h"
#include "server/engine/wait_forecast.h"

namespace easel {
namespace {

bool IsOver(const BatchCandidate& candidate) { return TenantShares::IsOver(candidate.tenant_lead); }

bool HasDeadline(const BatchCandidate& candidate) { return std::isfinite(candidate.seconds_to_deadline); }

double Waited(const BatchCandidate& candidate) {
  return candidate.waited_seconds + Batcher::kPriorityLevel * candidate.priority;
}

enum class Rank { kOverdue, kDeadline, kNoDeadline, kHopeless };

Rank RankOf(const BatchCandidate& candidate) {
  if (IsHopeless(candidate)) return Rank::kHopeless;
  // Low priority may wait longer; high priority is no reason to go before others' deadlines.
  if (std::min(Waited(candidate), candidate.waited_seconds) >= Batcher::kPatience) return Rank::kOverdue;
  return HasDeadline(candidate) ? Rank::kDeadline : Rank::kNoDeadline;
}

std::vector<size_t> Sorted(const std::vector<BatchCandidate>& candidates) {
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return GoesBefore(candidates[a], candidates[b]); });
  return order;
}

// The forward being filled, and what its rows may still grow to.
class Filling {
 public:
  Filling(const BatchCandidate& first, const StepTimes& times) : first_(first), times_(times) { Add(first); }

  bool Fits(const BatchCandidate& candidate) const {
    if (candidate.shape != first_.shape) return false;
    const int rows = rows_ + candidate.rows;
    if (rows > first_.row_cap) return false;
    const std::optional<double> seconds = times_.Seconds(first_.shape, rows);
    if (!seconds.has_value()) return true;
    if (*seconds > most_seconds_) return false;
    if (hosts_rows_ > 0 && IsOver(candidate)) {
      return *seconds <= Batcher::kGuestCost * *times_.Seconds(first_.shape, hosts_rows_);
    }
    return true;
  }

  void Add(const BatchCandidate& candidate) {
    rows_ += candidate.rows;
    if (!IsOver(candidate)) hosts_rows_ += candidate.rows;
    if (!HasDeadline(candidate) || IsHopeless(candidate)) return;
    // So long may each of its forwards be. What is left besides them is not scaled: it is not batched.
    const std::optional<double> alone = times_.Seconds(first_.shape, candidate.rows);
    if (!alone.has_value() || candidate.evaluations == 0) return;
    const double spare = candidate.seconds_to_deadline - candidate.seconds_left;
    most_seconds_ = std::min(most_seconds_, *alone + spare / candidate.evaluations);
  }

 private:
  const BatchCandidate& first_;
  const StepTimes& times_;
  int rows_ = 0;
  int hosts_rows_ = 0;  // of those within their share
  double most_seconds_ = std::numeric_limits<double>::infinity();
};

// Position of who leads the next forward: the first of `order`, or a newcomer (Batcher::kNewcomerSlack).
size_t Leader(const std::vector<BatchCandidate>& active, const std::vector<size_t>& order,
              const StepTimes& times) {
  const BatchCandidate& first = active[order[0]];
  if (RankOf(first) == Rank::kOverdue) return order[0];
  double before = 0, slack = std::numeric_limits<double>::infinity();
  int priority = first.priority;
  for (size_t i : order) {
    const BatchCandidate& candidate = active[i];
    if (IsOver(candidate) != IsOver(first) || IsHopeless(candidate)) break;
    before += candidate.shared_seconds_left;
    const double own_slack = candidate.seconds_to_deadline - before;
    if (candidate.last_served == 0 && candidate.priority >= priority && own_slack >= 0) {
      const std::optional<double> seconds = times.Seconds(candidate.shape, candidate.rows);
      if (seconds.has_value() && Batcher::kNewcomerSlack * *seconds <= slack) return i;
    }
    slack = std::min(slack, own_slack);
    priority = std::max(priority, candidate.priority);
  }
  return order[0];
}

int RowsOf(const std::vector<BatchCandidate>& candidates) {
  int rows = 0;
  for (const BatchCandidate& candidate : candidates) rows += candidate.rows;
  return rows;
}

}  // namespace

bool IsHopeless(const BatchCandidate& candidate) {
  return candidate.seconds_left > candidate.seconds_to_deadline;
}

bool GoesBefore(const BatchCandidate& a, const BatchCandidate& b) {
  if (IsOver(a) != IsOver(b)) return IsOver(b);
  const Rank rank = RankOf(a);
  if (rank != RankOf(b)) return rank < RankOf(b);
  if (rank == Rank::kDeadline && a.seconds_to_deadline != b.seconds_to_deadline) {
    return a.seconds_to_deadline < b.seconds_to_deadline;
  }
  if (a.tenant_lead != b.tenant_lead) return a.tenant_lead < b.tenant_lead;
  if (Waited(a) != Waited(b)) return Waited(a) > Waited(b);
  if (a.last_served != b.last_served) return a.last_served < b.last_served;
  return a.arrived < b.arrived;
}

Claim ClaimOf(const BatchCandidate& candidate) {
  const double deadline =
      IsHopeless(candidate) ? std::numeric_limits<double>::infinity() : candidate.seconds_to_deadline;
  return {IsOver(candidate), deadline};
}

double SecondsUntilDone(const BatchCandidate& job, const std::vector<BatchCandidate>& accepted) {
  double before = 0;
  for (const BatchCandidate& other : accepted) {
    // Shares shift meanwhile: who has none left now may have later. So only who is not over its own counts.
    const bool goes_first = other.seconds_to_deadline <= job.seconds_to_deadline && !IsHopeless(other) &&
                            (!IsOver(other) || IsOver(job));
    if (goes_first) before += other.shared_seconds_left;
  }
  return std::max(job.seconds_left, before + job.shared_seconds_left);
}

std::vector<size_t> Batcher::Pick(const std::vector<BatchCandidate>& active, const StepTimes& times) const {
  if (active.empty()) return {};
  const std::vector<size_t> order = Sorted(active);
  const size_t leader = Leader(active, order, times);
  std::vector<size_t> picked = {leader};
  Filling filling(active[leader], times);
  for (size_t i : order) {
    if (i == leader || !filling.Fits(active[i])) continue;
    filling.Add(active[i]);
    picked.push_back(i);
  }
  return picked;
}

std::vector<size_t> Batcher::Begin(const std::vector<BatchCandidate>& active,
                                   const std::vector<BatchCandidate>& waiting) const {
  int rows = RowsOf(active);
  std::optional<Claim> last;  // of those who are active
  for (const BatchCandidate& job : active) last = std::max(last, std::optional(ClaimOf(job)));
  const auto claims = [&](size_t i) { return last.has_value() && ClaimOf(waiting[i]) < *last; };
  const auto has_seat = [&](size_t i) {
    return rows == 0 || rows + waiting[i].rows <= (claims(i) ? 2 : 1) * max_active_rows();
  };
  // Mostly nobody has: then the order does not matter.
  bool any = false;
  for (size_t i = 0; i < waiting.size() && !any; ++i) any = has_seat(i);
  if (!any) return {};
  bool full = false;  // the head of the line waits for a seat, and nobody takes one before it by being small
  std::vector<size_t> begun;
  for (size_t i : Sorted(waiting)) {
    if ((!full || claims(i)) && has_seat(i)) {
      rows += waiting[i].rows;
      begun.push_back(i);
    } else {
      full = true;
    }
  }
  return begun;
}

std::vector<PlaceInLine> Batcher::Line(const std::vector<BatchCandidate>& active,
                                       const std::vector<BatchCandidate>& waiting,
                                       const StepTimes& times) const {
  const std::vector<size_t> order = Sorted(waiting);
  std::vector<BatchCandidate> line;
  for (size_t i : order) line.push_back(waiting[i]);
  const std::vector<std::optional<double>> waits = ForecastWaits(active, line, max_active_rows(), times);
  std::vector<PlaceInLine> places;
  for (size_t i = 0; i < order.size(); ++i) places.push_back({order[i], waits[i]});
  return places;
}

}  // namespace easel

// Who shares the next forward of the network, and who may begin: Easel's own answer. Pure.
//
// Jobs go in this order:
//   1. those of tenants within their share before those of tenants over it (tenant_shares.h)
//   2. in each of these, first who has not been served for kPatience: so nobody starves, whatever the
//   deadlines
//   3. then those with a deadline that they can still meet, the earliest first
//   4. then the others: of the tenant furthest behind its share; inside a tenant by the time they have waited
//      since their last forward, where a level of priority counts as kPriorityLevel of waiting; then by age
//   5. last those that cannot meet their deadline even if they were alone from now on
// The first one leads the forward, whose shape is its own. But a newcomer, who has had no forward yet, leads
// where that makes nobody late and nobody before it is of a higher priority: so its first preview comes soon,
// however far off its deadline is. In the order above whoever has that shape and fits takes the room left, up
// to the shape's row_cap; but nobody for whose rows one before it would miss its deadline, and nobody over
// its share who would make the forward of those within theirs slower by over a tenth: their share is of time.
#pragma once

#include <vector>

#include "server/engine/batch_policy.h"

namespace easel {

class Batcher : public BatchPolicy {
 public:
  static constexpr double kPatience = 10;      // s
  static constexpr double kPriorityLevel = 1;  // s of waiting
  static constexpr double kGuestCost = 1.1;    // × the forward without those over their share
  // Newcomers lead while everybody before them has so many of their forwards to spare. Work left is known at
  // its best only, so one would make some of them late (by a point or two of those in time, under bursts).
  static constexpr double kNewcomerSlack = 4;

  explicit Batcher(int max_rows) : max_rows_(max_rows) {}

  std::vector<size_t> Pick(const std::vector<BatchCandidate>& active, const StepTimes& times) const override;
  // As many as are active in room for four forwards: short jobs need not wait for long ones to end, and what
  // an active job costs is a latent. Beyond that, up to twice as many, those that by share or deadline go
  // before one who is active: neither waits for a seat.
  std::vector<size_t> Begin(const std::vector<BatchCandidate>& active,
                            const std::vector<BatchCandidate>& waiting) const override;
  std::vector<PlaceInLine> Line(const std::vector<BatchCandidate>& active,
                                const std::vector<BatchCandidate>& waiting,
                                const StepTimes& times) const override;
  bool drops_hopeless() const override { return true; }

  int64_t max_active_rows() const { return int64_t{4} * max_rows_; }

 private:
  int max_rows_;
};

// The order above.
bool GoesBefore(const BatchCandidate& a, const BatchCandidate& b);
// To a seat, by share and deadline; having waited is none. The lesser goes first.
struct Claim {
  bool over = false;    // its share
  double deadline = 0;  // s from now; infinity: none, or it cannot be met

  bool operator<(const Claim& other) const {
    return over != other.over ? other.over : deadline < other.deadline;
  }
};
Claim ClaimOf(const BatchCandidate& candidate);
// Whether it cannot be done by its deadline.
bool IsHopeless(const BatchCandidate& candidate);
// Seconds until `job` can be done at best, behind those of `accepted` that can be done and are due before it.
double SecondsUntilDone(const BatchCandidate& job, const std::vector<BatchCandidate>& accepted);

}  // namespace easel

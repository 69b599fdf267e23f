// The question that is asked before every forward, and before jobs begin: whose turn is it? What a policy
// sees, and what it answers. Batcher is Easel's; benchmarks bring others to the same engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "server/engine/step_times.h"

namespace easel {

// A job, as plain numbers. Waiting ones have not begun: their shape is a guess.
struct BatchCandidate {
  ForwardShape shape = {};
  int rows = 1;                    // of a forward
  int row_cap = 1;                 // most rows that a forward of its shape is to have; one job always fits
  int evaluations = 0;             // left
  double seconds_left = 0;         // JobCost::least: that it takes alone from now, at best; 0: not known
  double shared_seconds_left = 0;  // JobCost::least_shared
  double outside_forwards = 0;     // JobCost::outside_forwards
  double seconds_to_deadline = std::numeric_limits<double>::infinity();
  double waited_seconds =
      0;                     // since it last took part in a forward; before the first, since it was submitted
  int priority = 0;          // -100 … 100, among the jobs of one tenant
  double tenant_lead = 0;    // TenantShares::Lead of its tenant
  uint64_t last_served = 0;  // the number of the forward it last took part in; 0: none yet
  uint64_t arrived = 0;      // rank by age
};

struct PlaceInLine {
  size_t position = 0;                 // in `waiting`
  std::optional<double> wait_seconds;  // absent: not known
};

// Pure: no threads, no tensors, no clock, and the same answer to the same question. Used by one thread.
class BatchPolicy {
 public:
  virtual ~BatchPolicy() = default;

  // Positions in `active` of those that share the next forward: of one shape. Empty only when `active` is.
  virtual std::vector<size_t> Pick(const std::vector<BatchCandidate>& active,
                                   const StepTimes& times) const = 0;

  // Positions in `waiting` of those that begin now, in their order. Not empty when `active` is and `waiting`
  // is not.
  virtual std::vector<size_t> Begin(const std::vector<BatchCandidate>& active,
                                    const std::vector<BatchCandidate>& waiting) const = 0;

  // All of `waiting` in the order in which they would begin, and how long each would still wait, if nobody
  // came.
  virtual std::vector<PlaceInLine> Line(const std::vector<BatchCandidate>& active,
                                        const std::vector<BatchCandidate>& waiting,
                                        const StepTimes& times) const = 0;

  // Whether jobs that cannot be done by their deadline are to be refused and dropped. Where not, they end
  // when it has passed.
  virtual bool drops_hopeless() const = 0;
};

// `max_rows` ≥ 1: of one forward.
using BatchPolicyFactory = std::function<std::unique_ptr<const BatchPolicy>(int max_rows)>;

}  // namespace easel

// Who shares the next evaluation of a network, and who may begin. Pure: no threads, no tensors, no clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace easel {

// What must be equal for jobs to share a forward: model; latent channels, height, width; text length.
using ForwardShape = std::array<int64_t, 5>;

// A job that has evaluations left.
struct BatchCandidate {
  ForwardShape shape = {};
  int rows = 1;              // of a forward
  uint64_t last_served = 0;  // the number of the evaluation it last took part in; 0: none yet
  uint64_t admitted = 0;     // rank by age
  int row_cap = std::numeric_limits<int>::max();  // most rows that a forward of its shape is to have
};

// Rows and evaluations that a job has before it.
struct RemainingWork {
  int rows = 1;
  int evaluations = 0;
};

class Batcher {
 public:
  // `max_rows` ≥ 1: of one forward.
  explicit Batcher(int max_rows) : max_rows_(max_rows) {}

  // Positions in `candidates` of those that share the next evaluation: the one served longest ago (the older
  // of two), and, in that order, whoever has its shape and still fits. So each is served again within as many
  // turns as it takes to serve all others once: none starves. Empty only when `candidates` is. One job always
  // fits.
  std::vector<size_t> Pick(const std::vector<BatchCandidate>& candidates) const;

  // How many jobs from the front of the waiting line may begin. More are active than share a forward, so that
  // short jobs need not wait for long ones to end; what they cost is a latent each.
  size_t CountToAdmit(int active_rows, const std::vector<int>& waiting_rows) const;

  // Rows to be evaluated before a job of `rows`, behind all of `waiting`, may begin, when active jobs take
  // turns. An estimate.
  double RowsAhead(const std::vector<RemainingWork>& active, const std::vector<RemainingWork>& waiting,
                   int rows) const;

  int max_rows() const { return max_rows_; }

 private:
  int max_active_rows() const { return 4 * max_rows_; }

  int max_rows_;
};

}  // namespace easel

#include "tests/bench/baseline_policies.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "server/engine/batcher.h"

namespace easel {
namespace {

// Whole requests in batches of at most `max_rows`; of one picture where that is 0.
class WholeRequests : public BatchPolicy {
 public:
  explicit WholeRequests(int max_rows) : max_rows_(max_rows) {}

  // All that have begun: Begin sees to it that they fit together.
  std::vector<size_t> Pick(const std::vector<BatchCandidate>& active, const StepTimes&) const override {
    std::vector<size_t> all(active.size());
    std::iota(all.begin(), all.end(), 0);
    return all;
  }

  std::vector<size_t> Begin(const std::vector<BatchCandidate>& active,
                            const std::vector<BatchCandidate>& waiting) const override {
    if (!active.empty() || waiting.empty()) return {};
    return FirstBatch(waiting, ByAge(waiting));
  }

  std::vector<PlaceInLine> Line(const std::vector<BatchCandidate>& active,
                                const std::vector<BatchCandidate>& waiting,
                                const StepTimes& times) const override {
    std::optional<double> wait = active.empty() ? 0 : Seconds(active, Pick(active, times), times);
    std::vector<PlaceInLine> line;
    for (std::vector<size_t> left = ByAge(waiting); !left.empty();) {
      const std::vector<size_t> batch = FirstBatch(waiting, left);
      for (size_t i : batch) {
        line.push_back({i, wait});
        std::erase(left, i);
      }
      const std::optional<double> seconds = Seconds(waiting, batch, times);
      wait = wait.has_value() && seconds.has_value() ? std::optional(*wait + *seconds) : std::nullopt;
    }
    return line;
  }

  bool drops_hopeless() const override { return false; }

 private:
  static std::vector<size_t> ByAge(const std::vector<BatchCandidate>& jobs) {
    std::vector<size_t> order(jobs.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return jobs[a].arrived < jobs[b].arrived; });
    return order;
  }

  // The first of `order`, and those that go with it.
  std::vector<size_t> FirstBatch(const std::vector<BatchCandidate>& jobs,
                                 const std::vector<size_t>& order) const {
    const BatchCandidate& first = jobs[order[0]];
    std::vector<size_t> batch = {order[0]};
    int rows = first.rows;
    for (size_t i : order) {
      const BatchCandidate& job = jobs[i];
      const bool alike = job.shape == first.shape && job.evaluations == first.evaluations;
      if (i == order[0] || !alike || rows + job.rows > max_rows_) continue;
      batch.push_back(i);
      rows += job.rows;
    }
    return batch;
  }

  static std::optional<double> Seconds(const std::vector<BatchCandidate>& jobs,
                                       const std::vector<size_t>& batch, const StepTimes& times) {
    int rows = 0, evaluations = 0;
    double outside_forwards = 0;
    for (size_t i : batch) {
      rows += jobs[i].rows;
      evaluations = std::max(evaluations, jobs[i].evaluations);
      outside_forwards += jobs[i].outside_forwards;
    }
    const std::optional<double> forward = times.Seconds(jobs[batch[0]].shape, rows);
    if (!forward.has_value()) return std::nullopt;
    return evaluations * *forward + outside_forwards;
  }

  const int max_rows_;
};

class WithoutDeadlines : public BatchPolicy {
 public:
  explicit WithoutDeadlines(int max_rows) : batcher_(max_rows) {}

  std::vector<size_t> Pick(const std::vector<BatchCandidate>& active, const StepTimes& times) const override {
    return batcher_.Pick(Stripped(active), times);
  }
  std::vector<size_t> Begin(const std::vector<BatchCandidate>& active,
                            const std::vector<BatchCandidate>& waiting) const override {
    return batcher_.Begin(Stripped(active), Stripped(waiting));
  }
  std::vector<PlaceInLine> Line(const std::vector<BatchCandidate>& active,
                                const std::vector<BatchCandidate>& waiting,
                                const StepTimes& times) const override {
    return batcher_.Line(Stripped(active), Stripped(waiting), times);
  }
  bool drops_hopeless() const override { return false; }

 private:
  static std::vector<BatchCandidate> Stripped(std::vector<BatchCandidate> jobs) {
    for (BatchCandidate& job : jobs) job.seconds_to_deadline = std::numeric_limits<double>::infinity();
    return jobs;
  }

  const Batcher batcher_;
};

}  // namespace

BatchPolicyFactory FirstComeFirstServed() {
  return [](int) { return std::make_unique<WholeRequests>(/*max_rows=*/0); };
}

BatchPolicyFactory WholeRequestBatches() {
  return [](int max_rows) { return std::make_unique<WholeRequests>(max_rows); };
}

BatchPolicyFactory StepLevelWithoutDeadlines() {
  return [](int max_rows) { return std::make_unique<WithoutDeadlines>(max_rows); };
}

}  // namespace easel

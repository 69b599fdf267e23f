#include "server/engine/batcher.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace easel {

std::vector<size_t> Batcher::Pick(const std::vector<BatchCandidate>& candidates) const {
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(candidates[a].last_served, candidates[a].admitted) <
           std::tie(candidates[b].last_served, candidates[b].admitted);
  });
  std::vector<size_t> picked;
  int rows = 0;
  for (size_t i : order) {
    const BatchCandidate& candidate = candidates[i];
    const bool fits =
        picked.empty() || (candidate.shape == candidates[picked[0]].shape &&
                           rows + candidate.rows <= std::min(max_rows_, candidates[picked[0]].row_cap));
    if (!fits) continue;
    picked.push_back(i);
    rows += candidate.rows;
  }
  return picked;
}

size_t Batcher::CountToAdmit(int active_rows, const std::vector<int>& waiting_rows) const {
  size_t count = 0;
  for (int rows : waiting_rows) {
    if (active_rows > 0 && active_rows + rows > max_active_rows()) break;
    active_rows += rows;
    ++count;
  }
  return count;
}

double Batcher::RowsAhead(const std::vector<RemainingWork>& active, const std::vector<RemainingWork>& waiting,
                          int rows) const {
  std::vector<RemainingWork> by_end = active;
  std::sort(by_end.begin(), by_end.end(),
            [](const RemainingWork& a, const RemainingWork& b) { return a.evaluations < b.evaluations; });
  // Those ahead and the job itself need so many of the rows that are now taken.
  int to_leave = rows - max_active_rows();
  for (const RemainingWork& work : by_end) to_leave += work.rows;
  for (const RemainingWork& work : waiting) to_leave += work.rows;
  if (to_leave <= 0) return 0;

  double total = 0;
  size_t leaving = 0;
  for (; leaving < by_end.size() && to_leave > 0; ++leaving) to_leave -= by_end[leaving].rows;
  const int turns = leaving == 0 ? 0 : by_end[leaving - 1].evaluations;  // till the last of them is done
  for (const RemainingWork& work : by_end) total += work.rows * std::min(work.evaluations, turns);
  // Some of the waiting must have come and gone, too.
  for (const RemainingWork& work : waiting) {
    if (to_leave <= 0) break;
    to_leave -= work.rows;
    total += static_cast<double>(work.rows) * work.evaluations;
  }
  return total;
}

}  // namespace easel

#include "model/nn/spread.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

namespace easel {
namespace {

thread_local const ForEach* over = nullptr;

}  // namespace

void ForEachInTurn(int n, const std::function<void(int)>& task) {
  for (int i = 0; i < n; ++i) task(i);
}

SpreadOver::SpreadOver(const ForEach& for_each) : before_(std::exchange(over, &for_each)) {}

SpreadOver::~SpreadOver() { over = before_; }

void InPieces(int64_t n, int64_t piece, const std::function<void(int64_t, int64_t)>& task) {
  const int64_t pieces = (n + piece - 1) / piece;
  const auto run = [&](int64_t i) { task(i * piece, std::min(n, (i + 1) * piece)); };
  if (over == nullptr) {
    at::parallel_for(0, pieces, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) run(i);
    });
    return;
  }
  const ForEach& for_each = *over;
  static const ForEach in_turn = ForEachInTurn;
  for_each(static_cast<int>(pieces), [&](int i) {
    const SpreadOver within(in_turn);  // for_each may not be in use twice
    run(i);
  });
}

}  // namespace easel

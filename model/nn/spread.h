// How a layer uses several threads: as pieces of work, given to whoever owns threads. model/ has none of its own.
#pragma once

#include <cstdint>
#include <functional>

namespace easel {

// Calls task(i) for every i in [0, n), perhaps on several threads, and returns when all are done. Each call must itself use one
// intra-op thread for a row to keep its bits in any batch.
using ForEach = std::function<void(int n, const std::function<void(int)>& task)>;
void ForEachInTurn(int n, const std::function<void(int)>& task);

// While it lives, InPieces of this thread goes through `for_each`, which must live as long. One inside another counts alone.
class SpreadOver {
 public:
  explicit SpreadOver(const ForEach& for_each);
  ~SpreadOver();
  SpreadOver(const SpreadOver&) = delete;
  SpreadOver& operator=(const SpreadOver&) = delete;

 private:
  const ForEach* const before_;
};

// Calls task(begin, end) for the pieces of [0, n), each `piece` long but for the last: through this thread's SpreadOver, else on
// LibTorch's intra-op threads. The pieces are the same on any number of threads, so that results are, too. Within a piece, pieces
// are done in turn.
void InPieces(int64_t n, int64_t piece, const std::function<void(int64_t begin, int64_t end)>& task);

}  // namespace easel

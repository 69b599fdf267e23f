// Splits a training step over CPU threads by rows and by parameters: each thread computes alone, so that a core that is taken
// away for a while delays its own part and not every operation.
#pragma once

#include <functional>

namespace easel {

// Calls task(i) once for every i in [0, n), on `threads` threads with one intra-op thread each, and returns when all are
// done. Threads take the next i as they get free. With one thread: in turn, on the caller's.
void ParallelFor(int n, int threads, const std::function<void(int)>& task);

}  // namespace easel

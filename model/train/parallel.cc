#include "model/train/parallel.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <thread>
#include <vector>

namespace easel {

void ParallelFor(int n, int threads, const std::function<void(int)>& task) {
  if (threads <= 1) {
    for (int i = 0; i < n; ++i) task(i);
    return;
  }
  std::atomic<int> next = 0;
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t) {
    team.emplace_back([&] {
      at::set_num_threads(1);
      for (int i = next++; i < n; i = next++) task(i);
    });
  }
  for (std::thread& thread : team) thread.join();
}

}  // namespace easel

// As many threads as tasks, for what promises the same on any number of them.
#pragma once

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <functional>
#include <thread>
#include <vector>

#include "model/nn/spread.h"

namespace easel {

// A ForEach. `most_tasks`: set to the most that it was given at once, unless it is null.
inline ForEach OnThreads(int* most_tasks = nullptr) {
  return [most_tasks](int n, const std::function<void(int)>& task) {
    if (most_tasks != nullptr && n > *most_tasks) *most_tasks = n;
    std::vector<std::thread> threads;
    for (int i = 0; i < n; ++i) {
      threads.emplace_back([&task, i] {
        at::set_num_threads(1);
        const c10::InferenceMode inference;
        task(i);
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
}

}  // namespace easel

// A line now and then about a long run: step, loss, rate, time left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace easel {

class Progress {
 public:
  // `first`: the step that this process starts from, for the rate.
  Progress(std::string stage, int64_t first, int64_t total, int64_t samples_per_step);
  // Every few seconds prints: stage, step of total, running mean of the loss, samples/s, time left.
  void Step(int64_t step, double loss);

 private:
  std::string stage_;
  int64_t first_, total_, samples_per_step_;
  double mean_ = 0;
  bool any_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace easel

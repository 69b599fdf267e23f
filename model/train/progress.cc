#include "model/train/progress.h"

#include <cstdio>

namespace easel {

Progress::Progress(std::string stage, int64_t first, int64_t total, int64_t samples_per_step)
    : stage_(std::move(stage)),
      first_(first),
      total_(total),
      samples_per_step_(samples_per_step),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

void Progress::Step(int64_t step, double loss) {
  mean_ = any_ ? 0.98 * mean_ + 0.02 * loss : loss;
  any_ = true;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < std::chrono::seconds(10) && step + 1 < total_) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double steps_per_second = (step + 1 - first_) / seconds;
  const int64_t left = static_cast<int64_t>((total_ - step - 1) / steps_per_second);
  std::printf("%s: step %ld/%ld  loss %.4f  %.1f samples/s  %ld:%02ld:%02ld left\n", stage_.c_str(), step + 1, total_, mean_,
              steps_per_second * samples_per_step_, left / 3600, left / 60 % 60, left % 60);
  std::fflush(stdout);
}

}  // namespace easel

// What a test sees and holds of the staged pipeline, without LibTorch's headers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/sync/mutex.h"

namespace easel {

constexpr int kStagedSize = 8, kStagedClasses = 7;
// Asked for as the condition, the network throws, predicts what is not a number, asks for too much memory, or
// loses its device.
constexpr int kThrowingClass = 3, kNanClass = 4, kHungryClass = 5, kDeviceLosingClass = 6;

// What the network and the decoder do, as it happens, and the barrier before each forward. Open at first.
// Thread-safe.
class Gate {
 public:
  void Hold() {
    MutexLock lock(&mutex_);
    held_ = true;
  }
  void Release() {
    MutexLock lock(&mutex_);
    held_ = false;
    mutex_.NotifyAll();
  }
  // Lets one forward pass, and blocks until the next one has come to the barrier.
  void PassOne() {
    MutexLock lock(&mutex_);
    const int arrived = arrived_;
    ++passes_;
    mutex_.NotifyAll();
    mutex_.Await([&] {
      mutex_.AssertHeld();
      return arrived_ > arrived;
    });
  }
  // From now on forwards of more rows find too little memory.
  void FitRows(int64_t rows) {
    MutexLock lock(&mutex_);
    fitting_rows_ = rows;
  }
  // Blocks until so many forwards in all have come to the barrier.
  void AwaitForwards(int n) {
    MutexLock lock(&mutex_);
    mutex_.Await([&] {
      mutex_.AssertHeld();
      return arrived_ >= n;
    });
  }
  // In words: "forward 3" (its rows), "decode".
  std::vector<std::string> acts() const {
    MutexLock lock(&mutex_);
    return acts_;
  }

  // Whether the rows fit.
  bool Forward(int64_t rows) {
    MutexLock lock(&mutex_);
    ++arrived_;
    mutex_.NotifyAll();
    mutex_.Await([this] {
      mutex_.AssertHeld();
      return !held_ || passes_ > 0;
    });
    if (held_) --passes_;
    acts_.push_back("forward " + std::to_string(rows));
    return rows <= fitting_rows_;
  }
  void Decode() {
    MutexLock lock(&mutex_);
    acts_.push_back("decode");
  }

 private:
  mutable Mutex mutex_;
  bool held_ = false;
  int64_t fitting_rows_ = 1 << 20;
  int passes_ = 0;
  int arrived_ = 0;
  std::vector<std::string> acts_;
};

}  // namespace easel

// What a test sees and holds of the staged pipeline, without LibTorch's headers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/sync/mutex.h"

namespace easel {

constexpr int kStagedSize = 8, kStagedClasses = 5;
// Asked for as the condition, the network throws, or predicts what is not a number.
constexpr int kThrowingClass = 3, kNanClass = 4;

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

  void Forward(int64_t rows) {
    MutexLock lock(&mutex_);
    ++arrived_;
    mutex_.NotifyAll();
    mutex_.Await([this] {
      mutex_.AssertHeld();
      return !held_ || passes_ > 0;
    });
    if (held_) --passes_;
    acts_.push_back("forward " + std::to_string(rows));
  }
  void Decode() {
    MutexLock lock(&mutex_);
    acts_.push_back("decode");
  }

 private:
  mutable Mutex mutex_;
  bool held_ = false;
  int passes_ = 0;
  int arrived_ = 0;
  std::vector<std::string> acts_;
};

}  // namespace easel

// How many bytes a piece of work takes from LibTorch's allocators at its worst moment.
#pragma once

#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstdint>
#include <memory>

namespace easel {

// Counts what the CPU's and the devices' allocators hand out and take back on the threads that watch, while
// they watch. Costs a short lock an allocation: for work that is measured once. Thread-safe.
class MemoryMeter {
 public:
  MemoryMeter();

  // Counts what this thread does, as long as it lives.
  class Watch {
   public:
    explicit Watch(const MemoryMeter& meter);

   private:
    c10::DebugInfoGuard guard_;
  };

  // The most that was held at one time, by all threads together, of what they took while watching.
  int64_t peak_bytes() const;

 private:
  class Counter;
  std::shared_ptr<Counter> counter_;
};

}  // namespace easel

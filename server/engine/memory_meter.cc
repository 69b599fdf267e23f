#include "server/engine/memory_meter.h"

#include <c10/core/Allocator.h>

#include <atomic>

namespace easel {

class MemoryMeter::Counter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    const int64_t held = held_ += bytes;
    int64_t peak = peak_;
    while (held > peak && !peak_.compare_exchange_weak(peak, held)) {
    }
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t peak() const { return peak_; }

 private:
  std::atomic<int64_t> held_ = 0, peak_ = 0;
};

MemoryMeter::MemoryMeter() : counter_(std::make_shared<Counter>()) {}

int64_t MemoryMeter::peak_bytes() const { return counter_->peak(); }

MemoryMeter::Watch::Watch(const MemoryMeter& meter)
    : guard_(c10::DebugInfoKind::PROFILER_STATE, meter.counter_) {}

}  // namespace easel

// What fits into a device: its free memory against what forwards and decodes were seen to take.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/engine/memory_model.h"
#include "server/engine/model_costs.h"
#include "server/sync/mutex.h"

namespace easel {

// Bytes that are free on a device: on the CPU of `root`'s machine (a directory with proc/ and sys/) the least
// of what the system has available, and of what this process's limit leaves beside what it holds. Absent: not
// known.
std::optional<int64_t> FreeMemory(c10::Device device, const std::string& root = "/");

// Shared by the workers of one device and by those who submit. Thread-safe.
class DeviceMemory {
 public:
  // Bytes that one forward or decode may take.
  explicit DeviceMemory(int64_t bytes) : bytes_(bytes) {}

  // What was measured beforehand, `model` being its index in the engine.
  void Learn(int model, const ModelCosts& costs);
  bool KnowsForward(const ForwardShape& shape, int rows) const;
  bool KnowsDecode(const ForwardShape& shape) const;
  void OnForward(const ForwardShape& shape, int rows, int64_t bytes);
  void OnDecode(const ForwardShape& shape, int64_t bytes);

  // As MemoryModel::RowsWithin.
  int RowsThatFit(const ForwardShape& shape, int most) const;
  // ResourceExhausted (as in refusal.h) when a picture of these rows cannot fit, even alone.
  absl::Status Fits(const ForwardShape& shape, int rows) const;

 private:
  const int64_t bytes_;
  mutable Mutex mutex_;
  MemoryModel model_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel

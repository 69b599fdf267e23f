#include "server/engine/device_memory.h"

#include <ATen/DeviceAccelerator.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/engine/refusal.h"

namespace easel {
namespace {

// The number behind `key`, or the first of the file where that is empty.
std::optional<int64_t> Number(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  while (!key.empty() && word != key && file >> word) {
  }
  int64_t number = 0;
  if (file >> word && absl::SimpleAtoi(word, &number)) return number;
  return std::nullopt;  // such as "max"
}

std::optional<int64_t> FreeHostMemory(const std::string& root) {
  std::optional<int64_t> free;
  const auto at_most = [&free](int64_t bytes) {
    free = std::min(free.value_or(bytes), std::max<int64_t>(0, bytes));
  };
  if (const auto kib = Number(root + "/proc/meminfo", "MemAvailable:")) at_most(*kib * 1024);
  const int64_t held = Number(root + "/proc/self/status", "VmRSS:").value_or(0) * 1024;
  // The second and the first version of control groups, as a container sees its own.
  for (const char* limit : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (const auto bytes = Number(root + limit, "")) at_most(*bytes - held);
  }
  return free;
}

}  // namespace

std::optional<int64_t> FreeMemory(c10::Device device, const std::string& root) {
  if (device.is_cpu()) return FreeHostMemory(root);
  try {
    return static_cast<int64_t>(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
  } catch (const std::exception&) {
    return std::nullopt;  // an allocator that does not tell
  }
}

void DeviceMemory::Learn(int model, const ModelCosts& costs) {
  MutexLock lock(&mutex_);
  for (const ForwardTime& forward : costs.forwards) {
    ForwardShape shape = forward.shape;
    shape[0] = model;
    if (forward.bytes > 0) model_.OnForward(shape, forward.rows, forward.bytes);
    if (costs.decode_bytes > 0) model_.OnDecode(shape, costs.decode_bytes);
  }
}

bool DeviceMemory::KnowsForward(const ForwardShape& shape, int rows) const {
  MutexLock lock(&mutex_);
  return model_.KnowsForward(shape, rows);
}

bool DeviceMemory::KnowsDecode(const ForwardShape& shape) const {
  MutexLock lock(&mutex_);
  return model_.KnowsDecode(shape);
}

void DeviceMemory::OnForward(const ForwardShape& shape, int rows, int64_t bytes) {
  MutexLock lock(&mutex_);
  model_.OnForward(shape, rows, bytes);
}

void DeviceMemory::OnDecode(const ForwardShape& shape, int64_t bytes) {
  MutexLock lock(&mutex_);
  model_.OnDecode(shape, bytes);
}

int DeviceMemory::RowsThatFit(const ForwardShape& shape, int most) const {
  MutexLock lock(&mutex_);
  return model_.RowsWithin(shape, bytes_, most);
}

absl::Status DeviceMemory::Fits(const ForwardShape& shape, int rows) const {
  int64_t bytes = 0;
  {
    MutexLock lock(&mutex_);
    bytes = std::max(model_.ForwardBytes(shape, rows).value_or(0), model_.DecodeBytes(shape).value_or(0));
  }
  if (bytes <= bytes_) return absl::OkStatus();
  return BiggerThanTheDevice(
      absl::StrCat("the request is bigger than the device: a picture of this size takes about ", bytes >> 20,
                   " MiB, and ", bytes_ >> 20, " MiB can be had"));
}

}  // namespace easel

#include "server/engine/memory_use.h"

#include <ATen/DeviceAccelerator.h>
#include <malloc.h>

#include <exception>

namespace easel {

std::optional<MemoryUse> MemoryUseOf(const std::string& device) {
  try {
    const c10::Device at(device);
    if (at.is_cpu()) {
      const struct mallinfo2 info = mallinfo2();
      return MemoryUse{static_cast<int64_t>(info.uordblks + info.hblkhd),
                       static_cast<int64_t>(info.arena + info.hblkhd)};
    }
    const auto stats = at::getDeviceAllocator(at.type())->getDeviceStats(at.index());
    constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return MemoryUse{stats.allocated_bytes[kAll].current, stats.reserved_bytes[kAll].current};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace easel

// What allocators hold for a device's tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace easel {

struct MemoryUse {
  int64_t allocated = 0;  // bytes handed out
  int64_t reserved = 0;   // bytes taken from the device, free to be handed out again or not
};

// CUDA: LibTorch's caching allocator, which has the device's part of everything. CPU: malloc, which has all
// of the process but mapped files: weights that are read straight from them are not in it. Absent: the
// allocator does not tell. `device`: as c10::Device reads it. Any thread; waits for no device.
std::optional<MemoryUse> MemoryUseOf(const std::string& device);

}  // namespace easel

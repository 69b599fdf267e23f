// What the benchmarks ask of the device that they run on.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

namespace easel {

// FLOP/s of plain products of LibTorch, the most of several: on the CPU in float32, `threads` at the same time, each on one intra-op
// thread (`for_each` runs task(0 … n − 1) on them); on another device one, in `dtype`. Neighbours on the machine lower it.
double MeasuredCeiling(c10::Device device, c10::ScalarType dtype, int threads,
                       const std::function<void(int n, const std::function<void(int)>& task)>& for_each);

// The most memory so far: of the process on the CPU, else what LibTorch's allocator held on the device.
int64_t PeakBytes(c10::Device device);

// Waits until the device is done with what `result` is made by: a number of it is read.
void WaitFor(const at::Tensor& result);

}  // namespace easel

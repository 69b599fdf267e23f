#include "tests/bench/bench_device.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace easel {

double MeasuredCeiling(c10::Device device, c10::ScalarType dtype, int threads,
                       const std::function<void(int n, const std::function<void(int)>& task)>& for_each) {
  constexpr int kRounds = 7;
  const int products = device.is_cpu() ? threads : 1;
  const int64_t size = device.is_cpu() ? 1024 : 8192;
  std::vector<at::Tensor> left, right, result(products);
  for (int i = 0; i < products; ++i) {
    left.push_back(at::randn({size, size}).to(device, dtype));
    right.push_back(at::randn({size, size}).to(device, dtype));
  }
  double least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const auto began = std::chrono::steady_clock::now();
    for_each(products, [&](int i) { result[i] = at::mm(left[i], right[i]); });
    WaitFor(result[0]);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    least = std::min(least, took.count());
  }
  return 2.0 * size * size * size * products / least;
}

int64_t PeakBytes(c10::Device device) {
  if (!device.is_cpu()) {
    const auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(device.index());
    return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  }
  std::ifstream status("/proc/self/status");
  for (std::string field; status >> field;) {
    if (int64_t kib; field == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

void WaitFor(const at::Tensor& result) {
  if (!result.device().is_cpu()) result.flatten()[0].item<float>();
}

}  // namespace easel

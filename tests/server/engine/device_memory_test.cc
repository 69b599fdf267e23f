#include "server/engine/device_memory.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "model/denoise.h"
#include "server/engine/memory_meter.h"
#include "server/engine/refusal.h"
#include "tests/model/io/temporary_directory.h"
#include "tests/server/engine/studio.h"

namespace easel {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

at::Tensor Bytes(int64_t count) { return at::empty({count}, at::kByte); }

TEST(MemoryMeterTest, ThePeakIsTheMostHeldAtOneTime) {
  const MemoryMeter meter;
  const at::Tensor before = Bytes(64 * kMiB);
  {
    const MemoryMeter::Watch watch(meter);
    const at::Tensor kept = Bytes(kMiB);
    Bytes(2 * kMiB);  // gone at once
    Bytes(3 * kMiB);
  }
  const at::Tensor after = Bytes(64 * kMiB);
  EXPECT_EQ(meter.peak_bytes(), 4 * kMiB);
}

TEST(MemoryMeterTest, SumsOverItsThreads) {
  const MemoryMeter meter;
  const MemoryMeter::Watch watch(meter);
  const at::Tensor kept = Bytes(kMiB);
  std::thread([&] {
    Bytes(64 * kMiB);
    const MemoryMeter::Watch watch(meter);
    Bytes(2 * kMiB);
  }).join();
  EXPECT_EQ(meter.peak_bytes(), 3 * kMiB);
}

void Write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

TEST(FreeMemoryTest, OfTheCpuIsTheLeastOfTheMachinesAndTheLimits) {
  const TemporaryDirectory directory;
  const std::string root = directory.path();
  const auto free = [&] { return FreeMemory(c10::Device(c10::kCPU), root); };
  EXPECT_FALSE(free().has_value());
  Write(root + "/proc/meminfo", "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:    4000 kB\n");
  Write(root + "/proc/self/status", "Name:\teaseld\nVmRSS:\t  500 kB\n");
  EXPECT_EQ(free(), 4000 * 1024);
  Write(root + "/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(free(), 4000 * 1024);
  Write(root + "/sys/fs/cgroup/memory.max", std::to_string(3000 * 1024));
  EXPECT_EQ(free(), 2500 * 1024);
  Write(root + "/sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(400 * 1024));
  EXPECT_EQ(free(), 0);
}

TEST(FreeMemoryTest, ThisMachineHasSome) { EXPECT_GT(FreeMemory(c10::Device(c10::kCPU)).value_or(0), 0); }

EngineOptions Memory(int64_t bytes) {
  EngineOptions options;
  options.memory_bytes = bytes;
  return options;
}

TEST(DeviceMemoryTest, WhatCannotFitEvenAloneIsRefusedOnceItIsKnown) {
  Studio studio(Memory(1));
  const auto first = studio.Submit(Spec(1, 1));
  studio.ExpectItsPicture(first);
  const absl::Status status = studio.Refusal(Spec(2, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(IsBiggerThanTheDevice(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("bigger than the device"));
}

TEST(DeviceMemoryTest, WhatWasMeasuredAtStartHoldsFromTheFirstRequestOn) {
  for (const auto& [forward_bytes, decode_bytes] :
       {std::pair(2000, 0), std::pair(0, 2000), std::pair(1000, 1000)}) {
    EngineOptions options = Memory(1000);
    options.now = [] { return absl::FromUnixSeconds(1); };
    options.known_costs = {KnownCosts(0)};
    options.known_costs[0].forwards[0].bytes = forward_bytes;
    options.known_costs[0].decode_bytes = decode_bytes;
    Studio studio(options);
    if (forward_bytes <= 1000 && decode_bytes <= 1000) {
      studio.ExpectItsPicture(studio.Submit(Spec(1, 1)));
    } else {
      EXPECT_TRUE(IsBiggerThanTheDevice(studio.Refusal(Spec(1, 1))));
    }
  }
}

// Bytes of the staged network's forward of so many rows.
int64_t ForwardBytes(const Pipeline& pipeline, int rows) {
  const MemoryMeter meter;
  const MemoryMeter::Watch watch(meter);
  const GenerationSpec spec = Spec(1, 1);
  const auto conditioning = pipeline.Encode(*pipeline.Tokenize(spec));
  const auto sampler = pipeline.MakeSampler(spec);
  Denoise(pipeline.transformer(), std::vector<DenoiseInput>(rows, NextInput(**sampler, *conditioning)));
  return meter.peak_bytes();
}

TEST(DeviceMemoryTest, RowsAreCappedSoThatAForwardFits) {
  const int64_t of_two = ForwardBytes(*MakeStagedPipeline(std::make_shared<Gate>()), 2);
  ASSERT_GT(ForwardBytes(*MakeStagedPipeline(std::make_shared<Gate>()), 4), of_two * 5 / 4);
  Studio studio(Memory(of_two * 5 / 4));
  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(Spec(0, 2)));  // the first forward tells
  studio.gate->AwaitForwards(1);
  for (uint64_t seed = 1; seed < 6; ++seed) orders.push_back(studio.Submit(Spec(seed, 3)));
  studio.gate->Release();
  for (const auto& order : orders) {
    EXPECT_TRUE(order.listener->AwaitEnd().ok());
    EXPECT_LE(order.listener->accounting().mean_batch_size, 2);
  }
  EXPECT_THAT(studio.gate->acts(), Contains("forward 2"));
  for (const auto& order : orders) studio.ExpectItsPicture(order);
}

}  // namespace
}  // namespace easel

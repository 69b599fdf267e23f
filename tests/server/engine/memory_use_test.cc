#include "server/engine/memory_use.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EASEL_OTHER_MALLOC
#endif

constexpr int64_t kBytes = 64 << 20;

TEST(MemoryUseTest, ATensorOnTheCpuIsAllocatedAndReserved) {
#ifdef EASEL_OTHER_MALLOC
  GTEST_SKIP() << "the sanitizer's malloc tells nothing";
#endif
  const MemoryUse before = *MemoryUseOf("cpu");
  at::Tensor tensor = at::zeros({kBytes}, at::kByte);
  const MemoryUse with = *MemoryUseOf("cpu");
  EXPECT_GE(with.allocated - before.allocated, kBytes);
  EXPECT_LE(with.allocated - before.allocated, kBytes + kBytes / 8);
  EXPECT_GE(with.reserved, with.allocated);
  tensor.reset();
  EXPECT_LE(MemoryUseOf("cpu")->allocated, with.allocated - kBytes);
}

TEST(MemoryUseTest, ATensorOnAGpuIsAllocatedAndStaysReserved) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU";
  at::Tensor tensor = at::zeros({kBytes}, at::TensorOptions(at::kByte).device("cuda:0"));
  const MemoryUse with = *MemoryUseOf("cuda:0");
  EXPECT_GE(with.allocated, kBytes);
  EXPECT_GE(with.reserved, with.allocated);
  tensor.reset();
  EXPECT_LE(MemoryUseOf("cuda:0")->allocated, with.allocated - kBytes);
  EXPECT_EQ(MemoryUseOf("cuda:0")->reserved, with.reserved);
}

TEST(MemoryUseTest, AnAllocatorThatDoesNotTellIsNoFault) {
  EXPECT_FALSE(MemoryUseOf("meta").has_value());
  EXPECT_FALSE(MemoryUseOf("no device").has_value());
}

}  // namespace
}  // namespace easel

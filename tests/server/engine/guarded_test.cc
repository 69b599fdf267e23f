#include "server/engine/guarded.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>

namespace easel {
namespace {

using ::testing::HasSubstr;

template <typename Exception>
absl::Status Thrown(const Exception& exception) {
  return Caught("denoise", [&]() -> absl::Status { throw exception; });
}

absl::Status Cuda(int code) {
  return Thrown(c10::AcceleratorError({__func__, __FILE__, __LINE__}, code, "CUDA error"));
}

TEST(GuardedTest, WhatIsReturnedPasses) {
  EXPECT_TRUE(Caught("decode", [] { return absl::OkStatus(); }).ok());
  EXPECT_EQ(Caught("decode", [] { return absl::NotFoundError("x"); }), absl::NotFoundError("x"));
}

TEST(GuardedTest, TooLittleMemoryIsResourceExhausted) {
  EXPECT_EQ(Thrown(std::bad_alloc()).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Cuda(2).code(), absl::StatusCode::kResourceExhausted);
  const absl::Status status =
      Thrown(c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "CUDA out of memory"));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("denoise: CUDA out of memory"));
}

#ifndef __SANITIZE_ADDRESS__  // whose allocator ends the program instead
TEST(GuardedTest, LibTorchsOwnAllocatorOfTheCpuIsKnown) {
  const absl::Status status = Caught("denoise", [] {
    at::empty({int64_t{1} << 50}, at::kByte);
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}
#endif

TEST(GuardedTest, ALostDeviceIsUnavailable) {
  for (int code : {100, 214, 700, 702, 710, 719, 999}) {
    EXPECT_EQ(Cuda(code).code(), absl::StatusCode::kUnavailable) << code;
  }
  EXPECT_EQ(Thrown(DeviceLostError("it fell off the bus")).code(), absl::StatusCode::kUnavailable);
}

TEST(GuardedTest, AllElseIsInternalAndTheDeviceGoesOn) {
  EXPECT_EQ(Cuda(1).code(), absl::StatusCode::kInternal) << "an invalid value ends with its call";
  EXPECT_EQ(Thrown(std::runtime_error("no")).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Thrown(c10::Error({__func__, __FILE__, __LINE__}, "shape mismatch")).code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(Thrown(7).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace easel

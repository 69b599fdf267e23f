#include "client/retry_policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "google/rpc/error_details.pb.h"

namespace easel {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000);

absl::Status WithDelay(absl::StatusCode code, absl::Duration delay) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>((delay - absl::Seconds(absl::ToInt64Seconds(delay))) / absl::Nanoseconds(1)));
  absl::Status status(code, "refused");
  status.SetPayload("type.googleapis.com/google.rpc.RetryInfo", absl::Cord(info.SerializeAsString()));
  return status;
}

const absl::Status kFull = WithDelay(absl::StatusCode::kResourceExhausted, absl::Milliseconds(2500));

TEST(RetryPolicy, WaitsWhatTheServerSaysAndUpToHalfAsMuchAgain) {
  RetryPolicy policy(3, absl::InfiniteFuture());
  EXPECT_EQ(policy.After(kFull, kNow, 0), absl::Milliseconds(2500));
  EXPECT_EQ(policy.After(kFull, kNow, 0.5), absl::Milliseconds(3125));
  EXPECT_EQ(policy.After(WithDelay(absl::StatusCode::kUnavailable, absl::Seconds(1)), kNow, 0.999),
            absl::Milliseconds(1499.5));
}

TEST(RetryPolicy, WithoutAWordOfTheServersItWaitsLongerEachTime) {
  RetryPolicy policy(10, absl::InfiniteFuture());
  const absl::Status broken = absl::UnavailableError("Socket closed");
  std::vector<absl::Duration> waits;
  for (int i = 0; i < 7; ++i) waits.push_back(*policy.After(broken, kNow, 0.5));
  const std::vector<absl::Duration> doubling = {absl::Seconds(0.25), absl::Seconds(0.5), absl::Seconds(1),
                                                absl::Seconds(2),    absl::Seconds(4),   absl::Seconds(5),
                                                absl::Seconds(5)};
  EXPECT_EQ(waits, doubling);
  EXPECT_EQ(RetryPolicy(1, absl::InfiniteFuture()).After(broken, kNow, 0), absl::Milliseconds(125));
}

TEST(RetryPolicy, TriesAgainOnlySoOften) {
  RetryPolicy policy(2, absl::InfiniteFuture());
  EXPECT_TRUE(policy.After(kFull, kNow, 0).has_value());
  EXPECT_TRUE(policy.After(absl::UnavailableError("gone"), kNow, 0).has_value());
  EXPECT_FALSE(policy.After(kFull, kNow, 0).has_value());
  EXPECT_FALSE(RetryPolicy(0, absl::InfiniteFuture()).After(kFull, kNow, 0).has_value());
}

TEST(RetryPolicy, NeverBeginsPastTheDeadline) {
  EXPECT_FALSE(RetryPolicy(3, kNow + absl::Milliseconds(2500)).After(kFull, kNow, 0).has_value());
  EXPECT_TRUE(RetryPolicy(3, kNow + absl::Milliseconds(2501)).After(kFull, kNow, 0).has_value());
  EXPECT_FALSE(RetryPolicy(3, kNow + absl::Milliseconds(2501)).After(kFull, kNow, 0.5).has_value());
}

TEST(RetryPolicy, WhatWouldFailAgainIsNotTriedAgain) {
  RetryPolicy policy(9, absl::InfiniteFuture());
  for (const auto code :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kNotFound, absl::StatusCode::kAlreadyExists,
        absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kCancelled, absl::StatusCode::kInternal,
        absl::StatusCode::kUnauthenticated, absl::StatusCode::kPermissionDenied}) {
    EXPECT_FALSE(policy.After(WithDelay(code, absl::Seconds(1)), kNow, 0).has_value()) << code;
  }
  // Bigger than the device, or than a message may be.
  EXPECT_FALSE(policy.After(absl::ResourceExhaustedError("too big"), kNow, 0).has_value());
}

TEST(RetryPolicy, MoreThanAMinuteIsTheCallersToWait) {
  const auto asked = [](absl::Duration delay) {
    return RetryPolicy(3, absl::InfiniteFuture())
        .After(WithDelay(absl::StatusCode::kResourceExhausted, delay), kNow, 0);
  };
  EXPECT_EQ(asked(absl::Seconds(60)), absl::Seconds(60));
  EXPECT_FALSE(asked(absl::Seconds(61)).has_value());
}

TEST(RetryPolicy, ADelayThatIsNoneIsNoDelay) {
  EXPECT_EQ(RetryDelay(WithDelay(absl::StatusCode::kUnavailable, absl::Seconds(-5))), absl::ZeroDuration());
  EXPECT_EQ(RetryDelay(absl::UnavailableError("")), std::nullopt);
  absl::Status garbled = absl::UnavailableError("");
  garbled.SetPayload("type.googleapis.com/google.rpc.RetryInfo", absl::Cord("\xFF\xFF"));
  EXPECT_EQ(RetryDelay(garbled), std::nullopt);
}

}  // namespace
}  // namespace easel

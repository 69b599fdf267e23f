#include "server/service/status_conversion.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/engine/estimate.h"
#include "server/engine/refusal.h"

namespace easel {
namespace {

// The only detail, which must be of that type.
template <typename Detail>
Detail OnlyDetail(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), status.error_code());
  EXPECT_EQ(details.details_size(), 1);
  Detail detail;
  EXPECT_TRUE(details.details_size() == 1 && details.details(0).UnpackTo(&detail));
  return detail;
}

TEST(StatusConversionTest, FieldsTravelAsBadRequest) {
  const grpc::Status status = ToGrpcStatus(InvalidFields({{"width", "7 given"}, {"seed", "x"}}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "width: 7 given; seed: x");
  const auto bad = OnlyDetail<google::rpc::BadRequest>(status);
  ASSERT_EQ(bad.field_violations_size(), 2);
  EXPECT_EQ(bad.field_violations(0).field(), "width");
  EXPECT_EQ(bad.field_violations(0).description(), "7 given");
}

TEST(StatusConversionTest, TheEnginesFieldsGetTheirPaths) {
  const auto field = [](const char* message) {
    return OnlyDetail<google::rpc::BadRequest>(ToGrpcStatus(FromEngine(absl::InvalidArgumentError(message))))
        .field_violations(0)
        .field();
  };
  EXPECT_EQ(field("width is 7; it must be 64"), "width");
  EXPECT_EQ(field("preview_method is 'x'"), "preview.method");
  EXPECT_EQ(field("preview_every_n_steps: none"), "preview.every_n_steps");
}

TEST(StatusConversionTest, AFieldIsNamedOnce) {
  const absl::Status refused = FromEngine(absl::InvalidArgumentError("negative_prompt: has no effect here"));
  EXPECT_EQ(refused.message(), "negative_prompt: has no effect here");
  EXPECT_EQ(OnlyDetail<google::rpc::BadRequest>(ToGrpcStatus(refused)).field_violations(0).description(),
            "has no effect here");
}

TEST(StatusConversionTest, FullAndStoppingSayWhenToTryAgain) {
  for (const absl::Status& status :
       {absl::ResourceExhaustedError("full"), absl::UnavailableError("stopping")}) {
    EXPECT_EQ(OnlyDetail<google::rpc::RetryInfo>(ToGrpcStatus(FromEngine(status))).retry_delay().seconds(),
              1);
  }
  const auto retry = OnlyDetail<google::rpc::RetryInfo>(
      ToGrpcStatus(WithRetryAfter(absl::UnavailableError("x"), absl::Milliseconds(2500))));
  EXPECT_EQ(retry.retry_delay().seconds(), 2);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(StatusConversionTest, WhenToTryAgainIsMetadataToo) {
  using Metadata = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(PushbackOf(WithRetryAfter(absl::ResourceExhaustedError("full"), absl::Milliseconds(2500))),
            (Metadata{{"grpc-retry-pushback-ms", "2500"}, {"retry-after", "3"}}));
  EXPECT_EQ(PushbackOf(WithRetryAfter(absl::UnavailableError("stopping"), absl::Seconds(1))),
            (Metadata{{"grpc-retry-pushback-ms", "1000"}}));
  EXPECT_EQ(PushbackOf(WithRetryAfter(absl::ResourceExhaustedError("full"), absl::Seconds(61))),
            (Metadata{{"grpc-retry-pushback-ms", "-1"}, {"retry-after", "61"}}));
  EXPECT_EQ(PushbackOf(FromEngine(BiggerThanTheDevice("too big"))), Metadata());
  EXPECT_EQ(PushbackOf(absl::OkStatus()), Metadata());
}

TEST(StatusConversionTest, BiggerThanTheDeviceIsNotToBeTriedAgain) {
  const auto info =
      OnlyDetail<google::rpc::ErrorInfo>(ToGrpcStatus(FromEngine(BiggerThanTheDevice("too big"))));
  EXPECT_EQ(info.reason(), "BIGGER_THAN_THE_DEVICE");
}

TEST(StatusConversionTest, TheEnginesEstimatesAreToldAndNothingElse) {
  const auto retry = OnlyDetail<google::rpc::RetryInfo>(
      ToGrpcStatus(FromEngine(WithEstimatedSeconds(absl::ResourceExhaustedError("full"), 7.5))));
  EXPECT_EQ(retry.retry_delay().seconds(), 7);
  const auto info = OnlyDetail<google::rpc::ErrorInfo>(
      ToGrpcStatus(FromEngine(WithEstimatedSeconds(absl::DeadlineExceededError("short"), 2.5))));
  EXPECT_EQ(info.reason(), "DEADLINE_TOO_SHORT");
  EXPECT_EQ(info.metadata().at("estimated_seconds"), "2.5");
}

TEST(StatusConversionTest, DeadlinesTellTheirReason) {
  const auto info = OnlyDetail<google::rpc::ErrorInfo>(ToGrpcStatus(
      WithReason(absl::DeadlineExceededError("late"), "DEADLINE_MISSED", {{"steps_done", "3"}})));
  EXPECT_EQ(info.reason(), "DEADLINE_MISSED");
  EXPECT_EQ(info.metadata().at("steps_done"), "3");
}

TEST(StatusConversionTest, PlainStatusesStayPlain) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  const grpc::Status status = ToGrpcStatus(absl::NotFoundError("no such model"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(status.error_details().empty());
}

}  // namespace
}  // namespace easel

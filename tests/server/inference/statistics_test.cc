#include "server/inference/statistics.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

CallRecord Answered(int images, double mean_batch_size) {
  CallRecord record;
  record.num_images = images;
  record.seconds = 2;
  record.accounting.queue_seconds = 0.5;
  record.accounting.encode_seconds = 0.125;
  record.accounting.denoise_seconds = 1;
  record.accounting.decode_seconds = 0.25;
  record.accounting.mean_batch_size = mean_batch_size;
  return record;
}

TEST(InferenceStatisticsTest, StagesAreSummedOverTheRequestsAnswered) {
  InferenceStatistics statistics;
  statistics.Add("m", Answered(1, 1), absl::FromUnixMillis(5));
  statistics.Add("m", Answered(3, 4), absl::FromUnixMillis(7));
  CallRecord failed;
  failed.status = absl::CancelledError();
  failed.seconds = 4;
  failed.num_images = 1;
  statistics.Add("m", failed, absl::FromUnixMillis(9));
  statistics.Add("other", failed, absl::FromUnixMillis(9));

  const auto told = statistics.Of("m");
  EXPECT_EQ(told.name(), "m");
  EXPECT_EQ(told.inference_count(), 4u);
  EXPECT_EQ(told.execution_count(), 2u);  // 1 / 1 + 3 / 4, and what has begun counts
  EXPECT_EQ(told.last_inference(), 7u);
  const auto& stages = told.inference_stats();
  EXPECT_EQ(stages.success().count(), 2u);
  EXPECT_EQ(stages.success().ns(), 4'000'000'000u);
  EXPECT_EQ(stages.queue().ns(), 1'000'000'000u);
  EXPECT_EQ(stages.compute_input().ns(), 250'000'000u);
  EXPECT_EQ(stages.compute_infer().ns(), 2'000'000'000u);
  EXPECT_EQ(stages.compute_output().ns(), 500'000'000u);
  EXPECT_EQ(stages.fail().count(), 1u);
  EXPECT_EQ(stages.fail().ns(), 4'000'000'000u);
  EXPECT_EQ(statistics.Of("other").inference_stats().fail().count(), 1u);
}

TEST(InferenceStatisticsTest, AModelThatWasNotAskedForHasAll0) {
  const auto told = InferenceStatistics().Of("m");
  EXPECT_EQ(told.name(), "m");
  EXPECT_EQ(told.version(), "1");
  EXPECT_EQ(told.inference_count(), 0u);
  EXPECT_TRUE(told.inference_stats().has_success());
  EXPECT_EQ(told.inference_stats().success().count(), 0u);
}

}  // namespace
}  // namespace easel

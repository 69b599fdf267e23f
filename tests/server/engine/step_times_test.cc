#include "server/engine/step_times.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

constexpr ForwardShape kShape = {0, 4, 8, 8, 16}, kOther = {0, 4, 16, 16, 16};

// Seconds of a forward by rows, seen often enough to be trusted.
StepTimes Known(const std::map<int, double>& seconds) {
  StepTimes times;
  for (int i = 0; i < StepTimes::kTrusted; ++i) {
    for (const auto& [rows, value] : seconds) times.Observe(kShape, rows, value);
  }
  return times;
}

TEST(StepTimesTest, NothingIsKnownOfWhatWasNotMeasured) {
  const StepTimes times = Known({{1, 1}});
  EXPECT_EQ(times.Seconds(kOther, 1), std::nullopt);
  EXPECT_EQ(times.LeastSeconds(kOther, 1), std::nullopt);
}

TEST(StepTimesTest, BetweenTwoMeasuredCountsOnTheirLineElseInProportion) {
  const StepTimes times = Known({{2, 3}, {4, 4}, {8, 8}});
  EXPECT_EQ(times.Seconds(kShape, 4), 4);
  EXPECT_EQ(times.Seconds(kShape, 3), 3.5);
  EXPECT_EQ(times.Seconds(kShape, 5), 5);
  EXPECT_EQ(times.Seconds(kShape, 1), 1.5);
  EXPECT_EQ(times.Seconds(kShape, 16), 16);
}

TEST(StepTimesTest, TheMeanFollowsWhatIsMeasured) {
  StepTimes times = Known({{1, 1}});
  times.Observe(kShape, 1, 2);
  EXPECT_NEAR(*times.Seconds(kShape, 1), 1.1, 1e-9);
  for (int i = 0; i < 100; ++i) times.Observe(kShape, 1, 2);
  EXPECT_NEAR(*times.Seconds(kShape, 1), 2, 1e-3);
}

TEST(StepTimesTest, OneSlowForwardDoesNotCountInTheLeast) {
  StepTimes times = Known({{1, 1}});
  times.Observe(kShape, 1, 10);
  EXPECT_NEAR(*times.LeastSeconds(kShape, 1), 1.09, 1e-9);
  times.Observe(kShape, 1, 0.9);
  EXPECT_EQ(times.LeastSeconds(kShape, 1), 0.9);
  for (int i = 0; i < 1000; ++i) times.Observe(kShape, 1, 2);
  EXPECT_NEAR(*times.LeastSeconds(kShape, 1), 2, 1e-3) << "a machine that has become slow";
}

TEST(StepTimesTest, AFewForwardsAreNotYetTrusted) {
  StepTimes times;
  for (int i = 0; i < StepTimes::kTrusted; ++i) {
    EXPECT_EQ(times.LeastSeconds(kShape, 1), std::nullopt);
    times.Observe(kShape, 1, 1);
  }
  EXPECT_EQ(times.LeastSeconds(kShape, 1), 1);
}

TEST(StepTimesTest, TheKneeIsWhereDoublingTakesLessThanATenthOffARow) {
  EXPECT_EQ(Known({{1, 1}, {2, 1.6}, {4, 2.8}, {8, 5.2}, {16, 10.4}}).Knee(kShape, 32), 4)
      << "8: 5.2 > 0.9 × 5.6";
  EXPECT_EQ(Known({{1, 1}, {2, 1.9}}).Knee(kShape, 32), 1);
  EXPECT_EQ(Known({{1, 1}, {2, 1}, {4, 1}, {8, 1}, {16, 1}, {32, 1}}).Knee(kShape, 16), 16)
      << "at most so many";
  EXPECT_EQ(Known({{2, 2}, {4, 3}, {8, 6}}).Knee(kShape, 16), 4) << "a guided picture has two rows";
}

TEST(StepTimesTest, UntilItIsKnownTheKneeAllowsOneDoublingMore) {
  StepTimes times;
  EXPECT_EQ(times.Knee(kShape, 16), 1);
  times.Observe(kShape, 2, 1);
  EXPECT_EQ(times.Knee(kShape, 16), 4);
  times.Observe(kShape, 4, 1.2);
  EXPECT_EQ(times.Knee(kShape, 16), 8);
  times.Observe(kShape, 8, 2.4);
  EXPECT_EQ(times.Knee(kShape, 16), 4);
}

TEST(StepTimesTest, OnlyTheNewestShapesAreRemembered) {
  StepTimes times;
  for (int64_t i = 0; i < 1000; ++i) {
    times.Observe({i, 1}, 1, 1);
    times.Observe(kShape, 1, 1);
  }
  EXPECT_EQ(times.Seconds({0, 1}, 1), std::nullopt);
  EXPECT_EQ(times.Seconds({999, 1}, 1), 1);
  EXPECT_EQ(times.Seconds(kShape, 1), 1);
}

}  // namespace
}  // namespace easel

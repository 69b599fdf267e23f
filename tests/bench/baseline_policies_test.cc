#include "tests/bench/baseline_policies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ForwardShape kShape = {0, 4, 8, 8, 16};

BatchCandidate Job(uint64_t arrived, int evaluations, double seconds_to_deadline = 1e9) {
  BatchCandidate job;
  job.shape = kShape;
  job.row_cap = 16;
  job.evaluations = evaluations;
  job.seconds_to_deadline = seconds_to_deadline;
  job.arrived = arrived;
  return job;
}

StepTimes ASecondARow() {
  StepTimes times;
  times.Observe(kShape, 1, 1);
  return times;
}

std::vector<double> Waits(const std::vector<PlaceInLine>& line) {
  std::vector<double> waits;
  for (const PlaceInLine& place : line) waits.push_back(place.wait_seconds.value_or(-1));
  return waits;
}

TEST(BaselinePoliciesTest, FirstComeFirstServedIsOneAfterAnother) {
  const auto policy = FirstComeFirstServed()(4);
  const std::vector<BatchCandidate> waiting = {Job(3, 5), Job(1, 4), Job(2, 4, /*seconds_to_deadline=*/1)};
  EXPECT_THAT(policy->Begin({}, waiting), ElementsAre(1));
  EXPECT_THAT(policy->Begin({Job(0, 1)}, waiting), IsEmpty());
  EXPECT_THAT(Waits(policy->Line({Job(0, 3)}, waiting, ASecondARow())), ElementsAre(3, 7, 11));
}

TEST(BaselinePoliciesTest, WholeRequestsOfOneKindGoTogetherToTheEnd) {
  const auto policy = WholeRequestBatches()(2);
  const std::vector<BatchCandidate> waiting = {Job(1, 4), Job(2, 5), Job(3, 4), Job(4, 4)};
  EXPECT_THAT(policy->Begin({}, waiting), ElementsAre(0, 2));
  EXPECT_THAT(policy->Begin({Job(0, 1)}, waiting), IsEmpty());
  EXPECT_THAT(policy->Pick({Job(1, 4), Job(3, 4)}, {}), ElementsAre(0, 1));
  EXPECT_THAT(Waits(policy->Line({}, waiting, ASecondARow())), ElementsAre(0, 0, 8, 13));
}

TEST(BaselinePoliciesTest, WithoutDeadlinesAgeDecides) {
  const auto policy = StepLevelWithoutDeadlines()(4);
  std::vector<BatchCandidate> jobs = {Job(2, 4, /*seconds_to_deadline=*/5), Job(1, 4)};
  for (BatchCandidate& job : jobs) job.row_cap = 1;
  EXPECT_THAT(policy->Pick(jobs, {}), ElementsAre(1));
  EXPECT_FALSE(policy->drops_hopeless());
}

}  // namespace
}  // namespace easel

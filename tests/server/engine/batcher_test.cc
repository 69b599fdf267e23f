#include "server/engine/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ForwardShape kSmall = {0, 4, 8, 8, 16}, kLarge = {0, 4, 16, 16, 16}, kOtherModel = {1, 4, 8, 8, 16};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A job of `rows`, in forwards of at most 16.
BatchCandidate Job(int rows = 1, uint64_t last_served = 0, uint64_t arrived = 0) {
  BatchCandidate job;
  job.shape = kSmall;
  job.rows = rows;
  job.row_cap = 16;
  job.evaluations = 10;
  job.last_served = last_served;
  job.arrived = arrived;
  return job;
}
BatchCandidate Capped(BatchCandidate job, int row_cap) {
  job.row_cap = row_cap;
  return job;
}
BatchCandidate Of(BatchCandidate job, ForwardShape shape) {
  job.shape = shape;
  return job;
}
BatchCandidate Due(BatchCandidate job, double seconds_to_deadline, double seconds_left = 0) {
  job.seconds_to_deadline = seconds_to_deadline;
  job.seconds_left = job.shared_seconds_left = seconds_left;
  return job;
}
BatchCandidate Lead(BatchCandidate job, double tenant_lead) {
  job.tenant_lead = tenant_lead;
  return job;
}
BatchCandidate Waited(BatchCandidate job, double seconds, int priority = 0) {
  job.waited_seconds = seconds;
  job.priority = priority;
  return job;
}

std::vector<size_t> Pick(const std::vector<BatchCandidate>& active, const StepTimes& times = {}) {
  return Batcher(16).Pick(active, times);
}
// The order in which they go, one a forward.
std::vector<size_t> Order(std::vector<BatchCandidate> jobs) {
  for (BatchCandidate& job : jobs) job.row_cap = 1;
  std::vector<size_t> positions(jobs.size()), order;
  for (size_t i = 0; i < jobs.size(); ++i) positions[i] = i;
  while (!jobs.empty()) {
    const size_t first = Pick(jobs)[0];
    order.push_back(positions[first]);
    jobs.erase(jobs.begin() + first);
    positions.erase(positions.begin() + first);
  }
  return order;
}

TEST(BatcherTest, NobodyFromNobody) { EXPECT_THAT(Pick({}), IsEmpty()); }

TEST(BatcherTest, AllWhoFitShareAForward) {
  EXPECT_THAT(Pick({Job(2), Job(1), Job(1)}), ElementsAre(0, 1, 2));
}

TEST(BatcherTest, ServedLongestAgoGoesFirstThenTheOlder) {
  EXPECT_THAT(Order({Job(1, 5, 1), Job(1, 4, 3), Job(1, 4, 2)}), ElementsAre(2, 1, 0));
}

TEST(BatcherTest, OnlyTheShapeOfTheFirstShares) {
  EXPECT_THAT(Pick({Job(1, 2), Of(Job(1, 1), kLarge), Of(Job(1, 2), kOtherModel), Of(Job(2, 3), kLarge)}),
              ElementsAre(1, 3));
}

TEST(BatcherTest, RowsEndAtTheKnee) {
  EXPECT_THAT(Pick({Capped(Job(2, 0, 1), 4), Capped(Job(1, 0, 2), 4), Capped(Job(2, 0, 3), 4),
                    Capped(Job(1, 0, 4), 4)}),
              ElementsAre(0, 1, 3))
      << "and one row takes the seat that two rows cannot";
}

TEST(BatcherTest, AJobLargerThanAForwardIsServedAlone) {
  EXPECT_THAT(Pick({Capped(Job(2, 0, 1), 1), Capped(Job(1, 0, 2), 1)}), ElementsAre(0));
}

TEST(BatcherTest, FeasibleDeadlinesGoFirstTheEarliestBeforeAllAndHopelessOnesLast) {
  EXPECT_THAT(Order({Job(), Due(Job(), 3, /*seconds_left=*/4), Due(Job(), 8, 4), Due(Job(), 5, 4)}),
              ElementsAre(3, 2, 0, 1));
}

TEST(BatcherTest, ANewcomersFirstForwardIsNextWhereThatMakesNobodyLate) {
  StepTimes times;
  for (const ForwardShape& shape : {kSmall, kLarge}) times.Observe(shape, 1, 0.1);
  const auto first_of = [&](double seconds_to_deadline, uint64_t last_served) {
    const BatchCandidate due = Due(Job(1, 7), seconds_to_deadline, 2);
    return Pick({due, Of(Due(Job(1, last_served), 20, 5), kLarge)}, times)[0];
  };
  EXPECT_EQ(first_of(2.5, 0), 1);   // four forwards of the newcomer's to spare
  EXPECT_EQ(first_of(2.3, 0), 0);   // three
  EXPECT_EQ(first_of(2.5, 3), 0);   // had its first one
  // Those before it add up.
  EXPECT_EQ(Pick({Due(Job(1, 7), 2.5, 2), Due(Job(1, 6), 4.3, 2), Of(Due(Job(), 20, 5), kLarge)}, times)[0], 0);
  EXPECT_EQ(Pick({Waited(Job(1, 7), 0, 1), Of(Job(), kLarge)}, times)[0], 0) << "a higher priority";
  // What it has no time for itself is no use to it.
  EXPECT_EQ(Pick({Due(Job(1, 7), 4, 2), Of(Due(Job(), 6, 5), kLarge)}, times)[0], 0);
}

TEST(BatcherTest, ANewcomerOverItsShareWaitsForThoseWithinTheirs) {
  StepTimes times;
  for (const ForwardShape& shape : {kSmall, kLarge}) times.Observe(shape, 1, 0.1);
  EXPECT_EQ(Pick({Job(1, 7), Of(Lead(Job(), 3), kLarge)}, times)[0], 0);
  EXPECT_EQ(Pick({Job(1, 7), Of(Job(), kLarge)}, times)[0], 1);
}

TEST(BatcherTest, TenantsWithinTheirShareGoBeforeDeadlinesOfThoseOverIt) {
  EXPECT_THAT(Order({Lead(Due(Job(), 2), 3), Lead(Job(), -3)}), ElementsAre(1, 0));
  EXPECT_THAT(Order({Lead(Job(), -0.3), Lead(Due(Job(), 2), 0.3)}), ElementsAre(1, 0))
      << "nobody is over by much";
  EXPECT_THAT(Order({Lead(Job(1, 1), 0.1), Lead(Job(1, 2), -0.1)}), ElementsAre(1, 0)) << "who is behind";
}

TEST(BatcherTest, ALevelOfPriorityIsWorthASecondOfWaiting) {
  EXPECT_THAT(Order({Waited(Job(), 3), Waited(Job(), 1, /*priority=*/3), Waited(Job(), 1, 1)}),
              ElementsAre(1, 0, 2));
  EXPECT_THAT(Order({Waited(Job(), 0, 100), Waited(Job(), 120, -100)}), ElementsAre(1, 0))
      << "the lowest priority does not starve";
}

TEST(BatcherTest, WhoWasNotServedForLongGoesBeforeDeadlines) {
  EXPECT_THAT(Order({Due(Job(), 2), Waited(Job(), 11)}), ElementsAre(1, 0));
  EXPECT_THAT(Order({Due(Job(), 2), Waited(Job(), 9, /*priority=*/50)}), ElementsAre(0, 1))
      << "priority is no reason";
}

// Seconds of the first row of a forward, and of each more.
StepTimes RowsCost(double first, double each_more) {
  StepTimes times;
  for (int rows : {1, 2, 4, 8, 16}) times.Observe(kSmall, rows, first + each_more * (rows - 1));
  return times;
}

TEST(BatcherTest, NobodyJoinsForWhomAnotherWouldMissItsDeadline) {
  const StepTimes times = RowsCost(1, 1);
  // Ten forwards of a second alone, and of two with another.
  EXPECT_THAT(Pick({Due(Job(), 15, 10), Job()}, times), ElementsAre(0));
  EXPECT_THAT(Pick({Due(Job(), 20, 10), Job()}, times), ElementsAre(0, 1));
  EXPECT_THAT(Pick({Due(Job(), 20, 10), Job(2), Job()}, times), ElementsAre(0, 2));
}

TEST(BatcherTest, ThoseOverTheirShareRideAlongWhereThatCostsNothing) {
  EXPECT_THAT(Pick({Lead(Job(), -2), Lead(Job(), 2)}, RowsCost(1, 0.05)), ElementsAre(0, 1));
  EXPECT_THAT(Pick({Lead(Job(), -2), Lead(Job(), 2)}, RowsCost(1, 1)), ElementsAre(0));
  EXPECT_THAT(Pick({Lead(Job(), -2), Lead(Job(), -2)}, RowsCost(1, 1)), ElementsAre(0, 1));
  EXPECT_THAT(Pick({Lead(Job(), 2), Lead(Job(), 2)}, RowsCost(1, 1)), ElementsAre(0, 1))
      << "no hosts, no guests";
}

// Whatever the mix of rows and shapes, nobody waits longer than it takes to serve all the others once.
TEST(BatcherTest, NobodyStarves) {
  std::vector<BatchCandidate> jobs;
  for (uint64_t i = 0; i < 13; ++i) {
    jobs.push_back(Capped(Of(Job(i % 2 == 0 ? 2 : 1, 0, i + 1), i % 3 == 0   ? kLarge
                                                                : i % 5 == 0 ? kOtherModel
                                                                             : kSmall),
                          4));
  }
  std::map<size_t, int> served;
  for (uint64_t turn = 1; turn <= 130; ++turn) {
    for (size_t i : Pick(jobs)) {
      EXPECT_LE(turn - jobs[i].last_served, jobs.size());
      jobs[i].last_served = turn;
      ++served[i];
    }
  }
  EXPECT_EQ(served.size(), jobs.size());
  for (const auto& [job, times] : served) EXPECT_GE(times, 10) << "job " << job;
}

TEST(BatcherTest, FourForwardsOfRowsAreActive) {
  const Batcher batcher(2);  // 8 rows
  const auto begin = [&](int active_rows, const std::vector<int>& waiting_rows) {
    std::vector<BatchCandidate> active, waiting;
    if (active_rows > 0) active.push_back(Job(active_rows));
    for (int rows : waiting_rows) waiting.push_back(Job(rows, 0, waiting.size()));
    return batcher.Begin(active, waiting);
  };
  EXPECT_THAT(begin(0, {2, 2, 2, 2, 2}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(begin(7, {1, 1}), ElementsAre(0));
  EXPECT_THAT(begin(7, {2, 1}), IsEmpty()) << "the line is kept: nobody overtakes its head";
  EXPECT_THAT(begin(0, {9}), ElementsAre(0)) << "alone, anybody may begin";
  EXPECT_THAT(begin(0, {}), IsEmpty());
}

TEST(BatcherTest, NeitherDeadlinesNorSharesWaitForASeat) {
  const Batcher batcher(2);  // 8 rows, 16 for those
  const std::vector<BatchCandidate> full(8, Lead(Job(), 2));
  EXPECT_THAT(batcher.Begin(full, {Lead(Job(1, 0, 1), 2), Lead(Due(Job(), 3), 2)}), ElementsAre(1));
  EXPECT_THAT(batcher.Begin(full, {Lead(Job(1, 0, 1), 2), Lead(Job(1, 0, 2), -2)}), ElementsAre(1));
  EXPECT_THAT(batcher.Begin(std::vector<BatchCandidate>(16, Job()), {Due(Job(), 3)}), IsEmpty())
      << "to a bound";
}

TEST(BatcherTest, WhatIsDueBeforeAJobIsDoneBeforeIt) {
  const BatchCandidate job = Due(Job(), 10, 3);
  EXPECT_EQ(SecondsUntilDone(job, {}), 3);
  EXPECT_EQ(SecondsUntilDone(job, {Due(Job(), 9, 4), Due(Job(), 11, 4), Due(Job(), kInfinity, 4)}), 7);
  EXPECT_EQ(SecondsUntilDone(job, {Due(Job(), 3, 4)}), 3) << "the hopeless do not stand in the way";
  EXPECT_EQ(SecondsUntilDone(job, {Lead(Due(Job(), 9, 4), 2)}), 3) << "nor do those over their share";
  BatchCandidate shared = job;
  shared.shared_seconds_left = 1;
  EXPECT_EQ(SecondsUntilDone(shared, {Due(Job(), 9, 1)}), 3) << "in forwards with the other it is no later";
}

}  // namespace
}  // namespace easel

#include "server/engine/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ForwardShape kSmall = {0, 4, 8, 8, 16}, kLarge = {0, 4, 16, 16, 16}, kOtherModel = {1, 4, 8, 8, 16};

TEST(BatcherTest, NobodyFromNobody) { EXPECT_THAT(Batcher(8).Pick({}), IsEmpty()); }

TEST(BatcherTest, AllWhoFitShareAForward) {
  EXPECT_THAT(Batcher(4).Pick({{kSmall, 2, 0, 1}, {kSmall, 1, 0, 2}, {kSmall, 1, 0, 3}}),
              ElementsAre(0, 1, 2));
}

TEST(BatcherTest, ServedLongestAgoGoesFirstThenTheOlder) {
  EXPECT_THAT(Batcher(2).Pick({{kSmall, 1, 5, 1}, {kSmall, 1, 4, 3}, {kSmall, 1, 4, 2}}), ElementsAre(2, 1));
}

TEST(BatcherTest, OnlyTheShapeOfTheFirstShares) {
  EXPECT_THAT(
      Batcher(8).Pick({{kSmall, 1, 2, 1}, {kLarge, 1, 1, 2}, {kOtherModel, 1, 2, 3}, {kLarge, 2, 3, 4}}),
      ElementsAre(1, 3));
}

TEST(BatcherTest, OneRowTakesTheSeatTwoRowsCannot) {
  EXPECT_THAT(Batcher(3).Pick({{kSmall, 2, 0, 1}, {kSmall, 2, 0, 2}, {kSmall, 1, 0, 3}}), ElementsAre(0, 2));
}

TEST(BatcherTest, AJobLargerThanAForwardIsServedAlone) {
  EXPECT_THAT(Batcher(1).Pick({{kSmall, 2, 0, 1}, {kSmall, 1, 0, 2}}), ElementsAre(0));
}

// Whatever the mix of rows and shapes, nobody waits longer than it takes to serve all the others once.
TEST(BatcherTest, NobodyStarves) {
  const Batcher batcher(4);
  std::vector<BatchCandidate> jobs;
  for (uint64_t i = 0; i < 13; ++i) {
    jobs.push_back({i % 3 == 0 ? kLarge : i % 5 == 0 ? kOtherModel : kSmall, i % 2 == 0 ? 2 : 1, 0, i + 1});
  }
  std::map<size_t, int> served;
  for (uint64_t turn = 1; turn <= 130; ++turn) {
    for (size_t i : batcher.Pick(jobs)) {
      EXPECT_LE(turn - jobs[i].last_served, jobs.size());
      jobs[i].last_served = turn;
      ++served[i];
    }
  }
  EXPECT_EQ(served.size(), jobs.size());
  for (const auto& [job, times] : served) EXPECT_GE(times, 10) << "job " << job;
}

TEST(BatcherTest, AdmitsFourForwardsOfRows) {
  const Batcher batcher(2);  // 8 rows
  EXPECT_EQ(batcher.CountToAdmit(0, {2, 2, 2, 2, 2}), 4u);
  EXPECT_EQ(batcher.CountToAdmit(7, {1, 1}), 1u);
  EXPECT_EQ(batcher.CountToAdmit(7, {2, 1}), 0u) << "the line is kept: nobody overtakes its head";
  EXPECT_EQ(batcher.CountToAdmit(0, {9}), 1u) << "alone, anybody may begin";
  EXPECT_EQ(batcher.CountToAdmit(0, {}), 0u);
}

TEST(BatcherTest, RowsAheadCountsTurnsUntilEnoughHaveLeft) {
  const Batcher batcher(1);  // 4 rows
  EXPECT_EQ(batcher.RowsAhead({{1, 10}}, {}, 1), 0) << "there is room";
  // The third leaves first, after 2 turns, in which all four are served.
  EXPECT_EQ(batcher.RowsAhead({{1, 10}, {1, 5}, {1, 2}, {1, 9}}, {}, 1), 8);
  // One ahead: the second must leave, too, after 5.
  EXPECT_EQ(batcher.RowsAhead({{1, 10}, {1, 5}, {1, 2}, {1, 9}}, {{1, 20}}, 1), 17);
  // More ahead than are active: these end, and as many of those ahead.
  EXPECT_EQ(batcher.RowsAhead({{2, 3}, {2, 3}}, {{2, 7}, {2, 7}, {2, 7}}, 2), 12 + 28);
}

}  // namespace
}  // namespace easel

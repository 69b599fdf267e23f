// Deadlines: what cannot be met is refused or given up, and never the worker's time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "server/engine/engine.h"
#include "server/engine/estimate.h"
#include "tests/server/engine/studio.h"

namespace easel {
namespace {

using ::testing::ElementsAre;

SubmitOptions WithDeadline(int seconds) {
  SubmitOptions options;
  options.deadline = absl::FromUnixSeconds(1 + seconds);
  return options;
}

TEST(DeadlineTest, DeadlinesEndWaitingAndRunningJobs) {
  std::atomic<int64_t> clock = 100;
  EngineOptions options = Rows(1);
  options.now = [&clock] { return absl::FromUnixSeconds(clock); };
  Studio studio(options);
  SubmitOptions until_110;
  until_110.deadline = absl::FromUnixSeconds(110);

  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(Spec(0, 1000), until_110));
  studio.gate->AwaitForwards(1);
  for (uint64_t seed = 1; seed < 5; ++seed) orders.push_back(studio.Submit(Spec(seed, 1000), until_110));
  studio.gate->PassOne();
  clock = 110;
  EXPECT_EQ(studio.Refusal(Spec(5, 1), until_110).code(), absl::StatusCode::kDeadlineExceeded);
  studio.gate->Release();
  for (const auto& order : orders) {
    EXPECT_EQ(order.listener->AwaitEnd().code(), absl::StatusCode::kDeadlineExceeded);
  }
  EXPECT_THAT(orders[4].listener->events(), ElementsAre("queued 0", "failure DEADLINE_EXCEEDED"));
  EXPECT_EQ(orders[4].listener->accounting().queue_seconds, 10);
  studio.ExpectItsPicture(studio.Submit(Spec(6, 3)));
}

TEST(DeadlineTest, WhatCannotBeDoneEvenAloneIsRefusedAtOnceWithTheEstimate) {
  Studio studio(ASecondAForward(1));
  const absl::Status refused = studio.Refusal(Spec(1, 6), WithDeadline(5));
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(EstimatedSeconds(refused), 6);
  studio.ExpectItsPicture(studio.Submit(Spec(2, 5), WithDeadline(5)));
}

TEST(DeadlineTest, WhatCannotBeDoneBehindAcceptedWorkIsRefusedBeforeItStarts) {
  std::atomic<int64_t> clock = 1;
  EngineOptions options = ASecondAForward(1);
  options.now = [&clock] { return absl::FromUnixSeconds(clock); };
  Studio studio(options);
  studio.gate->Hold();
  const auto accepted = studio.Submit(Spec(1, 5), WithDeadline(8));
  studio.gate->AwaitForwards(1);
  const auto earlier = studio.Submit(Spec(2, 2), WithDeadline(7));
  const auto refused = studio.Submit(Spec(3, 3), WithDeadline(8));
  const auto patient = studio.Submit(Spec(4, 3));
  clock = 2;  // the first forward took its second
  studio.gate->PassOne();
  EXPECT_EQ(refused.listener->AwaitEnd().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(refused.listener->events(), ElementsAre("failure DEADLINE_EXCEEDED")) << "never started";
  EXPECT_EQ(refused.listener->accounting().estimated_seconds, 1 + 4 + 2 + 3);
  studio.gate->Release();
  for (const auto* order : {&accepted, &earlier, &patient}) studio.ExpectItsPicture(*order);
}

TEST(DeadlineTest, AHopelessJobLeavesAtTheNextStepAndItsSlotWorksForAnother) {
  std::atomic<int64_t> clock = 1;
  EngineOptions options = ASecondAForward(1);
  options.now = [&clock] { return absl::FromUnixSeconds(clock); };
  Studio studio(options);
  studio.gate->Hold();
  const auto hopeless = studio.Submit(Spec(1, 5), WithDeadline(7));
  studio.gate->AwaitForwards(1);
  const auto other = studio.Submit(Spec(2, 2));
  clock = 5;  // a forward took four times as long as foreseen: 4 s for 4 forwards would be too late by one
  studio.gate->PassOne();
  EXPECT_EQ(hopeless.listener->AwaitEnd().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(hopeless.listener->events(),
              ElementsAre("started cpu", "progress 1/5", "failure DEADLINE_EXCEEDED"));
  EXPECT_NEAR(hopeless.listener->accounting().estimated_seconds.value_or(0), 8, 0.2);
  studio.gate->Release();
  studio.ExpectItsPicture(other);
}

TEST(DeadlineTest, APutOffDeadlineCountsFromTheNextStep) {
  std::atomic<int64_t> clock = 1;
  EngineOptions options = ASecondAForward(1);
  options.now = [&clock] { return absl::FromUnixSeconds(clock); };
  Studio studio(options);
  studio.gate->Hold();
  auto running = studio.Submit(Spec(1, 5), WithDeadline(7));
  studio.gate->AwaitForwards(1);
  auto waiting = studio.Submit(Spec(2, 2), WithDeadline(9));
  running.handle.PutOffDeadline(absl::InfiniteFuture());
  waiting.handle.PutOffDeadline(absl::FromUnixSeconds(1000));
  waiting.handle.PutOffDeadline(absl::FromUnixSeconds(2));  // not brought forward
  clock = 100;
  studio.gate->Release();
  studio.ExpectItsPicture(running);
  studio.ExpectItsPicture(waiting);
}

TEST(DeadlineTest, ASamplerThatEvaluatesTwiceAStepIsJudgedByItsEvaluationsFromTheFirst) {
  Studio studio(ASecondAForward(1));
  GenerationSpec spec = Spec(1, 3);
  spec.sampler = "heun";
  const absl::Status refused = studio.Refusal(spec, WithDeadline(4));
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(EstimatedSeconds(refused), 5) << "three steps, of which the last has one evaluation";
  studio.ExpectItsPicture(studio.Submit(spec, WithDeadline(5)));
}

}  // namespace
}  // namespace easel

// A cancelled job leaves at the next turn, and its neighbours go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "server/engine/engine.h"
#include "tests/server/engine/studio.h"
#include "tests/testing/recording_listener.h"

namespace easel {
namespace {

using ::testing::ElementsAre;

TEST(CancellationTest, CancellingFreesTheSlotAndLeavesTheNeighboursAlone) {
  Studio studio(Rows(1));  // four jobs are active at a time
  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(Spec(0, 1000)));
  studio.gate->AwaitForwards(1);
  for (uint64_t seed = 1; seed < 5; ++seed) orders.push_back(studio.Submit(Spec(seed, 3)));
  studio.gate->PassOne();
  EXPECT_THAT(orders[4].listener->events(), ElementsAre("queued 0"));
  orders[0].handle.Cancel();
  orders[0].handle.Cancel();
  studio.gate->PassOne();
  EXPECT_EQ(orders[0].listener->AwaitEnd().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(orders[4].listener->events(), ElementsAre("queued 0", "started cpu"));
  studio.gate->Release();
  for (size_t i = 1; i < orders.size(); ++i) studio.ExpectItsPicture(orders[i]);
  EXPECT_EQ(orders[0].listener->ends(), 1);
}

TEST(CancellationTest, DroppingTheHandleCancels) {
  Studio studio;
  studio.gate->Hold();
  std::shared_ptr<RecordingListener> listener;
  {
    const auto order = studio.Submit(Spec(1, 1000));
    listener = order.listener;
    studio.gate->AwaitForwards(1);
  }
  studio.gate->Release();
  EXPECT_EQ(listener->AwaitEnd().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace easel

// The end of an engine: what it has is finished or fails, and nothing is forgotten.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/engine/engine.h"
#include "tests/server/engine/studio.h"

namespace easel {
namespace {

TEST(DrainTest, DrainFinishesWhatItHasAndTakesNoMore) {
  Studio studio(Rows(1));
  std::vector<Studio::Order> orders;
  for (uint64_t seed = 0; seed < 8; ++seed) orders.push_back(studio.Submit(Spec(seed, 3)));
  studio.engine->Drain(absl::InfiniteFuture());
  for (const auto& order : orders) {
    EXPECT_EQ(order.listener->ends(), 1) << "all events came before Drain returned";
    studio.ExpectItsPicture(order);
  }
  EXPECT_EQ(studio.Refusal(Spec(9, 1)).code(), absl::StatusCode::kUnavailable);
  studio.engine->Drain(absl::InfiniteFuture());
}

TEST(DrainTest, DrainFailsWhatIsNotDoneInTime) {
  Studio studio(Rows(1));
  std::vector<Studio::Order> orders;
  for (uint64_t seed = 0; seed < 6; ++seed) orders.push_back(studio.Submit(Spec(seed, 1000000)));
  orders[0].listener->Await("progress 1/1000000");
  studio.engine.reset();
  for (const auto& order : orders) {
    EXPECT_EQ(order.listener->ends(), 1);
    EXPECT_EQ(order.listener->status().code(), absl::StatusCode::kUnavailable);
  }
}

}  // namespace
}  // namespace easel

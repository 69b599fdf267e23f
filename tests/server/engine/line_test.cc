// Those that wait: in which order they begin, and what they are told meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/engine/engine.h"
#include "tests/server/engine/studio.h"

namespace easel {
namespace {

using ::testing::Contains;
using ::testing::Not;

TEST(LineTest, PositionsInTheLineAreToldAsTheyChange) {
  EngineOptions options = Rows(1);
  options.known_costs = {KnownCosts(1)};
  Studio studio(options);
  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(Spec(0, 2)));
  studio.gate->AwaitForwards(1);
  for (uint64_t seed = 1; seed < 6; ++seed) orders.push_back(studio.Submit(Spec(seed, 2)));
  studio.gate->Release();
  for (const auto& order : orders) EXPECT_TRUE(order.listener->AwaitEnd().ok());
  EXPECT_EQ(orders[3].listener->events()[0], "started cpu");
  EXPECT_THAT(orders[4].listener->events(), Contains("queued 0").Times(1));
  const std::vector<std::string> last = orders[5].listener->events();
  EXPECT_EQ(std::vector<std::string>(last.begin(), last.begin() + 3),
            std::vector<std::string>({"queued 1", "queued 0", "started cpu"}));
  EXPECT_GT(orders[5].listener->estimated_wait_seconds().value_or(0), 0) << "a forward had been measured";
}

TEST(LineTest, HigherPriorityGoesFirst) {
  Studio studio(ASecondAForward(1));
  studio.gate->Hold();
  const auto first = studio.Submit(Spec(1, 3));
  studio.gate->AwaitForwards(1);
  SubmitOptions urgent;
  urgent.priority = 1;
  const auto second = studio.Submit(Spec(2, 3));
  const auto third = studio.Submit(Spec(3, 3), urgent);
  for (int i = 0; i < 4; ++i) studio.gate->PassOne();
  EXPECT_THAT(third.listener->events(), Contains("progress 3/3"))
      << "time stands still, and nothing else counts";
  EXPECT_THAT(second.listener->events(), Not(Contains("progress 1/3")));
  studio.gate->Release();
  for (const auto* order : {&first, &second, &third}) studio.ExpectItsPicture(*order);
}

}  // namespace
}  // namespace easel

// The simulator of benchmarks (tests/bench/serving_simulation.h), whose figures nobody can check by hand.
#include "tests/bench/serving_simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "tests/bench/serving_policies.h"
#include "tests/bench/simulated_mixes.h"

namespace easel {
namespace {

using Forwards = std::vector<std::vector<size_t>>;

SimulatedMix Mix(const std::string& name) {
  for (SimulatedMix& mix : PublishedMixes()) {
    if (mix.name == name) return std::move(mix);
  }
  ADD_FAILURE() << name;
  return {};
}

SimulatedServer Server(const SimulatedMix& mix, const std::string& policy, int workers = 1) {
  return {.workers = workers, .costs = mix.costs, .policy = ServingPolicyNamed(policy).policy, .max_batch_rows = mix.max_batch_rows};
}

Forwards ForwardsOf(SimulatedServer server, const std::vector<SimulatedRequest>& requests) {
  Forwards forwards;
  server.trace = [&](int worker, double now, const std::vector<size_t>& batch) { forwards.push_back(batch); };
  Simulate(server, requests);
  return forwards;
}

auto Figures(const LoadRecord& record) {
  return std::tuple(record.planned, record.ended, record.code, record.first_preview, record.mean_batch);
}

// One shape: a forward takes 1 s whatever its rows, up to four.
SimulatedMix OneSecondForwards() {
  SimulatedMix mix{.name = "flat", .max_batch_rows = 4};
  ModelCosts& costs = mix.costs.emplace_back();
  costs.width = costs.height = 8;
  for (int rows : {1, 2, 4}) costs.forwards.push_back({{0, 4, 1, 1, 0}, rows, 1});
  return mix;
}

SimulatedRequest Asked(double arrival, int steps) {
  return {.arrival = arrival, .width = 8, .height = 8, .rows = 1, .steps = steps};
}

TEST(ServingSimulationTest, IsTheSameEveryTime) {
  const SimulatedMix mix = Mix("FLUX");
  const std::vector<SimulatedRequest> requests = RequestsOf(mix, {.requests = 300}, 8, 1);
  for (const std::string& policy : ServingPolicyNames()) {
    const auto once = Simulate(Server(mix, policy, 8), requests);
    const auto again = Simulate(Server(mix, policy, 8), requests);
    ASSERT_EQ(once.size(), requests.size());
    for (size_t i = 0; i < once.size(); ++i) EXPECT_EQ(Figures(once[i]), Figures(again[i])) << policy << " " << i;
  }
}

TEST(ServingSimulationTest, AnotherSeedIsAnotherLoad) {
  const SimulatedMix mix = Mix("FLUX");
  EXPECT_NE(RequestsOf(mix, {}, 1, 1)[10].arrival, RequestsOf(mix, {}, 1, 2)[10].arrival);
}

TEST(ServingSimulationTest, ARequestAloneTakesItsSoloSeconds) {
  const SimulatedMix mix = Mix("SD3-medium");
  for (const std::string& policy : ServingPolicyNames()) {
    for (SimulatedRequest request : RequestsOf(mix, {.requests = 20}, 1, 1)) {
      request.arrival = 5;
      const std::vector<LoadRecord> records = Simulate(Server(mix, policy), {request});
      EXPECT_EQ(records[0].code, absl::StatusCode::kOk);
      EXPECT_NEAR(records[0].ended - 5, records[0].solo, 1e-6) << policy;
    }
  }
}

TEST(ServingSimulationTest, TheLoadIsWhatTheWorkersCouldDoOneByOne) {
  const SimulatedMix mix = Mix("DiT-XL/2");
  const std::vector<SimulatedRequest> requests = RequestsOf(mix, {.load = 0.8, .requests = 20000}, 4, 1);
  double work = 0;
  for (const SimulatedRequest& request : requests) work += request.slo / 3;
  EXPECT_NEAR(work / (4 * requests.back().arrival), 0.8, 0.03);
}

TEST(ServingSimulationTest, MoreCapacityNeverLowersAttainment) {
  for (const SimulatedMix& mix : PublishedMixes()) {
    const std::vector<SimulatedRequest> requests = RequestsOf(mix, {.load = 1.1, .requests = 400}, 1, 1);
    for (const std::string& policy : ServingPolicyNames()) {
      double before = 0;
      for (int workers : {1, 2, 4, 8}) {
        const double attainment = Summarize(Simulate(Server(mix, policy, workers), requests)).attainment;
        EXPECT_GE(attainment, before) << mix.name << ", " << policy << ", " << workers << " workers";
        before = attainment;
      }
      EXPECT_GT(before, 0.9) << mix.name << ", " << policy;
    }
  }
}

// Not by magic: what is in time did its forwards.
TEST(ServingSimulationTest, NoPolicyIsFasterThanItsForwards) {
  const SimulatedMix mix = Mix("FLUX");
  const std::vector<SimulatedRequest> requests = RequestsOf(mix, {.load = 0.8, .requests = 300}, 1, 1);
  for (const std::string& policy : ServingPolicyNames()) {
    std::map<size_t, int> took_part;
    for (const auto& batch : ForwardsOf(Server(mix, policy), requests)) {
      for (size_t request : batch) ++took_part[request];
    }
    const std::vector<LoadRecord> records = Simulate(Server(mix, policy), requests);
    size_t done = 0;
    for (size_t i = 0; i < records.size(); ++i) {
      if (records[i].code != absl::StatusCode::kOk) continue;
      ++done;
      EXPECT_EQ(took_part[i], requests[i].steps);
      EXPECT_GE(records[i].ended - records[i].planned, records[i].solo - 1e-6);
    }
    EXPECT_GT(done, 0u) << policy;
  }
}

TEST(ServingSimulationTest, FirstComeFirstServedDoesWholeRequestsOneAtATime) {
  const SimulatedServer server = Server(OneSecondForwards(), "fcfs");
  EXPECT_EQ(ForwardsOf(server, {Asked(0, 3), Asked(0.1, 1), Asked(0.2, 2)}),
            (Forwards{{0}, {0}, {0}, {1}, {2}, {2}}));
}

TEST(ServingSimulationTest, RequestBatchingRunsThoseOfOneLengthToTheirEnd) {
  const SimulatedServer server = Server(OneSecondForwards(), "batch");
  // The first is alone, for nobody else was there; of those that came meanwhile the equally long ones go together.
  EXPECT_EQ(ForwardsOf(server, {Asked(0, 2), Asked(0.1, 3), Asked(0.2, 2), Asked(0.3, 3)}),
            (Forwards{{0}, {0}, {1, 3}, {1, 3}, {1, 3}, {2}, {2}}));
}

TEST(ServingSimulationTest, StepsWithoutDeadlinesShareForwardsButKnowNoHurry) {
  const SimulatedServer server = Server(OneSecondForwards(), "steps");
  std::vector<SimulatedRequest> requests = {Asked(0, 3), Asked(0.1, 1), Asked(0.2, 2), Asked(0.3, 9), Asked(0.4, 9)};
  const Forwards forwards = ForwardsOf(server, requests);
  EXPECT_THAT(forwards[1], ::testing::SizeIs(4));  // joined at the next step
  for (SimulatedRequest& request : requests) {
    request.deadline = true;
    request.slo = 1000 - 100 * request.arrival;  // later ones are due sooner, and none is late
  }
  EXPECT_EQ(ForwardsOf(server, requests), forwards);
}

TEST(ServingSimulationTest, EaselPutsTheUrgentFirst) {
  const SimulatedServer server = Server(OneSecondForwards(), "easel");
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 6; ++i) {
    requests.push_back(Asked(0.1 * i, 9));
    requests.back().deadline = true;
    requests.back().slo = i == 5 ? 10.5 : 100;
  }
  const Forwards forwards = ForwardsOf(server, requests);
  for (int i = 1; i <= 9; ++i) EXPECT_THAT(forwards[i], ::testing::Contains(5)) << i;
  EXPECT_EQ(Simulate(server, requests)[5].code, absl::StatusCode::kOk);
}

// The project's claim of it, on devices that are not here.
TEST(ServingSimulationTest, EaselMeetsThirtyPointsMoreDeadlinesThanFirstComeFirstServed) {
  for (const SimulatedMix& mix : PublishedMixes()) {
    const SimulatedLoad load{.load = 0.8}, without_deadlines{.load = 0.8, .deadlines = false};
    const LoadReport easel = Summarize(Simulate(Server(mix, "easel"), RequestsOf(mix, load, 1, 1)));
    const LoadReport fcfs = Summarize(Simulate(Server(mix, "fcfs"), RequestsOf(mix, without_deadlines, 1, 1)));
    EXPECT_GE(easel.attainment, fcfs.attainment + 0.3) << mix.name;
    EXPECT_GE(easel.goodput, 1.5 * fcfs.goodput) << mix.name;
  }
}

}  // namespace
}  // namespace easel

#include "client/load/load_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace easel {
namespace {

std::vector<PlannedRequest> First(size_t count, uint64_t seed, std::optional<double> rate, bool burst,
                                  const std::vector<double>& weights = {1, 1, 1}) {
  LoadPlan plan(seed, rate, burst, weights);
  std::vector<PlannedRequest> requests;
  while (requests.size() < count) requests.push_back(plan.Next());
  return requests;
}

struct Gaps {
  double mean = 0, variation = 0;
};

Gaps GapsOf(const std::vector<PlannedRequest>& requests) {
  double last = 0, sum = 0, squares = 0;
  for (const PlannedRequest& request : requests) {
    EXPECT_GE(request.arrival, last);
    sum += request.arrival - last;
    squares += std::pow(request.arrival - last, 2);
    last = request.arrival;
  }
  const double n = static_cast<double>(requests.size()), mean = sum / n;
  return {mean, std::sqrt(squares / n - mean * mean) / mean};
}

TEST(LoadPlan, ASeedIsALoad) {
  const auto one = First(100, 7, 5, false), same = First(100, 7, 5, false), other = First(100, 8, 5, false);
  size_t differ = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].arrival, same[i].arrival);
    EXPECT_EQ(one[i].kind, same[i].kind);
    EXPECT_EQ(one[i].seed, same[i].seed);
    if (one[i].seed != other[i].seed) ++differ;
  }
  EXPECT_EQ(differ, 100u);
}

TEST(LoadPlan, AnotherRateStretchesTheSameArrivalsAndAsksForTheSame) {
  const auto slow = First(50, 7, 1, false), fast = First(50, 7, 4, false), closed = First(50, 7, {}, false);
  for (size_t i = 0; i < slow.size(); ++i) {
    EXPECT_NEAR(slow[i].arrival, 4 * fast[i].arrival, 1e-9);
    EXPECT_EQ(closed[i].arrival, 0);
    EXPECT_EQ(slow[i].kind, fast[i].kind);
    EXPECT_EQ(slow[i].kind, closed[i].kind);
    EXPECT_EQ(slow[i].seed, closed[i].seed);
  }
}

TEST(LoadPlan, PoissonGapsHaveTheRateAndVaryAsMuchAsTheirMean) {
  const Gaps gaps = GapsOf(First(200000, 1, 8, false));
  EXPECT_NEAR(gaps.mean, 1.0 / 8, 0.002);
  EXPECT_NEAR(gaps.variation, 1, 0.02);
}

TEST(LoadPlan, BurstGapsHaveTheRateAndVaryFourTimesTheirMean) {
  const Gaps gaps = GapsOf(First(1000000, 1, 8, true));
  EXPECT_NEAR(gaps.mean, 1.0 / 8, 0.005);
  EXPECT_NEAR(gaps.variation, 4, 0.2);
}

TEST(LoadPlan, KindsComeByTheirWeights) {
  std::vector<int> counts(3);
  for (const PlannedRequest& request : First(60000, 3, {}, false, {1, 2, 3})) ++counts[request.kind];
  EXPECT_NEAR(counts[0], 10000, 400);
  EXPECT_NEAR(counts[1], 20000, 500);
  EXPECT_NEAR(counts[2], 30000, 500);
}

TEST(LoadPlan, PicturesShareAFewSeeds) {
  std::set<uint64_t> seeds;
  for (const PlannedRequest& request : First(2000, 3, {}, false)) seeds.insert(request.seed);
  EXPECT_EQ(seeds.size(), LoadPlan::kPictureSeeds);
}

}  // namespace
}  // namespace easel

// What tenants and deadlines are promised, over hours of simulated time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/batcher.h"
#include "tests/bench/serving_simulation.h"

namespace easel {
namespace {

constexpr int kMaxRows = 4, kSide = 64;
constexpr int kSeatsAndEight = 4 * kMaxRows + 8;  // of a tenant that floods; the rest of it is refused

// As a CPU does: company gains a row little. Seconds.
double Forward(int rows) { return 0.01 + 0.04 * rows; }

// Of one worker.
SimulatedServer Server(double (*forward)(int rows) = Forward) {
  SimulatedServer server;
  ModelCosts& costs = server.costs.emplace_back();
  costs.width = costs.height = kSide;
  for (int rows = 1; rows <= kMaxRows; ++rows)
    costs.forwards.push_back({{0, 4, 8, 8, 16}, rows, forward(rows)});
  server.policy = [](int max_rows) { return std::make_unique<Batcher>(max_rows); };
  server.max_batch_rows = kMaxRows;
  return server;
}

SimulatedRequest Asked(double arrival, int steps, std::string tenant = "", double weight = 1) {
  return {.arrival = arrival,
          .width = kSide,
          .height = kSide,
          .steps = steps,
          .tenant = std::move(tenant),
          .weight = weight};
}

// Jobs as they come: after exponential times of this mean.
class Poisson {
 public:
  Poisson(double mean_seconds, int seed) : random_(seed), gap_(1 / mean_seconds) {}
  double Next() { return at_ += gap_(random_); }

 private:
  std::mt19937 random_;
  std::exponential_distribution<double> gap_;
  double at_ = 0;
};

double Latency(const LoadRecord& record) { return record.ended - record.planned; }

double Percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<size_t>(part * (values.size() - 1)));
}

// What the worker did from the beginning to `end`.
struct Work {
  std::map<std::string, int> evaluations;  // by tenant
  double seconds = 0;
};
Work WorkUntil(double end, SimulatedServer server, const std::vector<SimulatedRequest>& requests) {
  Work work;
  server.trace = [&](int, double now, const std::vector<size_t>& batch) {
    if (now >= end) return;
    work.seconds += Forward(static_cast<int>(batch.size()));
    for (size_t request : batch) ++work.evaluations[requests[request].tenant];
  };
  Simulate(server, requests);
  return work;
}

TEST(PolicyPromises, TenantsThatFloodShareByWeight) {
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 3600 * 4; ++i) {  // twice what it can do, of each
    requests.push_back(Asked(i / 4.0, 10, "one", 1));
    requests.push_back(Asked(i / 4.0, 10, "three", 3));
  }
  SimulatedServer server = Server();
  server.max_tenant_jobs = kSeatsAndEight;
  Work work = WorkUntil(3600, server, requests);
  ASSERT_GT(work.evaluations["one"], 10000);
  EXPECT_NEAR(static_cast<double>(work.evaluations["three"]) / work.evaluations["one"], 3, 0.3);
  EXPECT_NEAR(work.seconds, 3600, 1) << "nobody waits while the worker rests";
}

// One tenant asks for a fifth of the worker. Alone, or beside one that keeps the line full.
std::vector<double> LatenciesOfTheQuiet(bool flood) {
  std::vector<SimulatedRequest> requests;
  Poisson arrivals(/*mean_seconds=*/2.5, /*seed=*/1);
  double at = arrivals.Next();
  for (double second = 0; second < 3600; ++second) {
    if (flood) {
      for (int i = 0; i < 4; ++i) requests.push_back(Asked(second, 10, "flood"));
    }
    for (; at < second + 1; at = arrivals.Next()) requests.push_back(Asked(at, 10, "quiet"));
  }
  SimulatedServer server = Server();
  server.max_tenant_jobs = kSeatsAndEight;
  std::vector<double> latencies;
  for (const LoadRecord& record : Simulate(server, requests)) {
    if (record.tenant == "quiet" && record.code == absl::StatusCode::kOk)
      latencies.push_back(Latency(record));
  }
  return latencies;
}

TEST(PolicyPromises, AFloodDoesNotRaiseAnothersTailByMoreThanAQuarter) {
  const std::vector<double> alone = LatenciesOfTheQuiet(/*flood=*/false), beside = LatenciesOfTheQuiet(true);
  ASSERT_GT(alone.size(), 1000u);
  ASSERT_EQ(alone.size(), beside.size());
  EXPECT_LE(Percentile(beside, 0.99), 1.25 * Percentile(alone, 0.99))
      << "alone " << Percentile(alone, 0.5) << " and " << Percentile(alone, 0.99) << ", beside the flood "
      << Percentile(beside, 0.5) << " and " << Percentile(beside, 0.99);
}

// Of one step: a forward ends four of them, and between two forwards one is decoded.
TEST(PolicyPromises, WhatWaitsForTheDecoderKeepsItsSeat) {
  SimulatedServer server = Server([](int rows) { return 0.01 + 0.002 * rows; });
  server.costs[0].decode_seconds = 0.05;
  server.max_queue = 8;
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 60 * 60; ++i) requests.push_back(Asked(i / 60.0, 1));  // three times what it can do
  int refused = 0;
  double longest = 0;
  for (const LoadRecord& record : Simulate(server, requests)) {
    refused += record.code == absl::StatusCode::kResourceExhausted;
    if (record.code == absl::StatusCode::kOk) longest = std::max(longest, Latency(record));
  }
  EXPECT_GT(refused, 1000);
  // All seats and the whole line before it, and of each a decode and at most a forward of its own.
  EXPECT_LT(longest, (4 * kMaxRows + 8 + 1) * (0.05 + 0.018));
}

TEST(PolicyPromises, AnIdleTenantHoardsNoCredit) {
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 1860 * 4; ++i) {
    requests.push_back(Asked(i / 4.0, 10, "steady"));
    if (i >= 1800 * 4) requests.push_back(Asked(i / 4.0, 10, "late"));  // has used nothing for half an hour
  }
  SimulatedServer server = Server();
  server.max_tenant_jobs = kSeatsAndEight;
  const double late = WorkUntil(1860, server, requests).evaluations["late"];
  const double all = 60 / Forward(1);
  EXPECT_LT(late, 0.65 * all) << "within a minute it has its half, and little more";
  EXPECT_GT(late, 0.4 * all);
}

TEST(PolicyPromises, NobodyStarvesBehindDeadlinesOrPriority) {
  std::vector<SimulatedRequest> requests = {Asked(0, 10)};
  requests[0].priority = -100;
  Poisson arrivals(/*mean_seconds=*/0.2, 2);  // over twice what it can do
  for (double at = arrivals.Next(); at < 3600; at = arrivals.Next()) {
    requests.push_back(Asked(at, 10));
    requests.back().priority = 100;
    requests.back().deadline = true;
    requests.back().slo = 20;
  }
  // Rows gain nothing together, so that nobody rides along with another.
  const auto patient = Simulate(Server([](int rows) { return 0.05 * rows; }), requests)[0];
  ASSERT_EQ(patient.code, absl::StatusCode::kOk);
  EXPECT_LT(Latency(patient), 1500) << "ten forwards, 110 s apart at most, and the line before it";
}

TEST(PolicyPromises, MoreDeadlinesAreMetThanWithoutThem) {
  std::map<bool, int> met;
  for (const bool told : {false, true}) {
    std::vector<SimulatedRequest> requests;
    Poisson arrivals(/*mean_seconds=*/1.3, 3);
    std::mt19937 random(4);
    for (double at = arrivals.Next(); at < 3600; at = arrivals.Next()) {
      constexpr int kSteps[] = {4, 10, 20, 50};
      const int steps = kSteps[random() % 4];
      requests.push_back(Asked(at, steps));
      requests.back().slo = 3 * steps * Forward(1);
      requests.back().deadline = told;
    }
    for (const LoadRecord& record : Simulate(Server(), requests)) {
      met[told] += record.code == absl::StatusCode::kOk && Latency(record) <= record.deadline;
    }
    if (told) {
      EXPECT_GT(met[true], 0.8 * requests.size());
    }
  }
  EXPECT_GT(met[true], met[false]);
}

TEST(PolicyPromises, ForetoldWaitsComeTrue) {
  std::vector<SimulatedRequest> requests;
  Poisson arrivals(/*mean_seconds=*/0.98, 5);  // about what it can do: 21 forwards a job
  std::mt19937 random(6);
  double at = 0;
  while ((at = arrivals.Next()) < 3600) {
    constexpr int kSteps[] = {4, 10, 20, 50};
    requests.push_back(Asked(at, kSteps[random() % 4]));
  }
  std::vector<double> errors;
  for (const LoadRecord& record : Simulate(Server(), requests)) {
    if (!record.waited.has_value()) continue;
    ASSERT_TRUE(record.estimated_wait.has_value());
    errors.push_back(std::abs(*record.estimated_wait - *record.waited) / *record.waited);
  }
  ASSERT_GT(errors.size(), 200u);
  EXPECT_LE(Percentile(errors, 0.5), 0.2);
}

}  // namespace
}  // namespace easel

// What tenants and deadlines are promised, over hours of simulated time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "server/engine/batcher.h"
#include "tests/server/engine/simulated_worker.h"

namespace easel {
namespace {

constexpr int kMaxRows = 4;

// As a CPU does: company gains a row little. Seconds.
double Forward(int rows) { return 0.01 + 0.04 * rows; }

SimulatedWorker MakeWorker() {
  return SimulatedWorker(std::make_unique<Batcher>(kMaxRows), kMaxRows, Forward);
}

Job Of(std::string tenant, double weight = 1, int priority = 0) {
  Job job;
  job.tenant = std::move(tenant);
  job.weight = weight;
  job.priority = priority;
  return job;
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

double Latency(const SimulatedJob& job) { return absl::ToDoubleSeconds(job.ended - job.arrival); }

double Percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<size_t>(part * (values.size() - 1)));
}

TEST(PolicyPromises, TenantsThatFloodShareByWeight) {
  SimulatedWorker worker = MakeWorker();
  for (int i = 0; i < 3600 * 4; ++i) {  // twice what it can do, of each
    worker.Plan(i / 4.0, 10, Of("one", 1));
    worker.Plan(i / 4.0, 10, Of("three", 3));
  }
  worker.Run(3600);
  std::map<std::string, double> evaluations;
  for (const auto& job : worker.jobs()) evaluations[job->job.tenant] += 10 - job->evaluations_left;
  ASSERT_GT(evaluations["one"], 10000);
  EXPECT_NEAR(evaluations["three"] / evaluations["one"], 3, 0.3);
  EXPECT_NEAR(worker.busy_seconds(), 3600, 1) << "nobody waits while the worker rests";
}

// One tenant asks for a fifth of the worker. Alone, or beside one that keeps the line full.
std::vector<double> LatenciesOfTheQuiet(bool flood) {
  SimulatedWorker worker = MakeWorker();
  Poisson arrivals(/*mean_seconds=*/2.5, /*seed=*/1);
  double at = arrivals.Next();
  for (double second = 0; second < 3600; ++second) {
    if (flood && second < 3000) {
      for (int i = 0; i < 4; ++i) worker.Plan(second, 10, Of("flood"));
    }
    for (; at < second + 1; at = arrivals.Next()) worker.Plan(at, 10, Of("quiet"));
  }
  worker.Run(3000);
  std::vector<double> latencies;
  for (const auto& job : worker.jobs()) {
    if (job->job.tenant == "quiet" && job->ended != absl::InfinitePast()) latencies.push_back(Latency(*job));
  }
  return latencies;
}

TEST(PolicyPromises, AFloodDoesNotRaiseAnothersTailByMoreThanAQuarter) {
  const std::vector<double> alone = LatenciesOfTheQuiet(/*flood=*/false), beside = LatenciesOfTheQuiet(true);
  ASSERT_GT(alone.size(), 1000u);
  ASSERT_NEAR(alone.size(), beside.size(), 5);
  EXPECT_LE(Percentile(beside, 0.99), 1.25 * Percentile(alone, 0.99))
      << "alone " << Percentile(alone, 0.5) << " and " << Percentile(alone, 0.99) << ", beside the flood "
      << Percentile(beside, 0.5) << " and " << Percentile(beside, 0.99);
}

TEST(PolicyPromises, AnIdleTenantHoardsNoCredit) {
  SimulatedWorker worker = MakeWorker();
  for (int i = 0; i < 1860 * 4; ++i) {
    worker.Plan(i / 4.0, 10, Of("steady"));
    if (i >= 1800 * 4) worker.Plan(i / 4.0, 10, Of("late"));  // has used nothing for half an hour
  }
  worker.Run(1860);
  double late = 0;
  for (const auto& job : worker.jobs()) late += job->job.tenant == "late" ? 10 - job->evaluations_left : 0;
  const double all = 60 / Forward(1);
  EXPECT_LT(late, 0.65 * all) << "within a minute it has its half, and little more";
  EXPECT_GT(late, 0.4 * all);
}

TEST(PolicyPromises, NobodyStarvesBehindDeadlinesOrPriority) {
  // Rows gain nothing together, so that nobody rides along with another.
  SimulatedWorker worker(std::make_unique<Batcher>(kMaxRows), kMaxRows, [](int rows) { return 0.05 * rows; });
  const SimulatedJob* patient = worker.Plan(0, 10, Of("", 1, /*priority=*/-100));
  Poisson arrivals(/*mean_seconds=*/0.2, 2);  // over twice what it can do
  for (double at = arrivals.Next(); at < 3600; at = arrivals.Next()) {
    worker.Plan(at, 10, Of("", 1, 100), /*deadline=*/20);
  }
  worker.Run();
  ASSERT_EQ(patient->evaluations_left, 0);
  EXPECT_LT(Latency(*patient), 1500) << "ten forwards, 110 s apart at most, and the line before it";
}

TEST(PolicyPromises, MoreDeadlinesAreMetThanWithoutThem) {
  std::map<bool, int> met;
  for (const bool told : {false, true}) {
    SimulatedWorker worker = MakeWorker();
    Poisson arrivals(/*mean_seconds=*/1.3, 3);
    std::mt19937 random(4);
    std::vector<std::pair<const SimulatedJob*, double>> jobs;
    for (double at = arrivals.Next(); at < 3600; at = arrivals.Next()) {
      constexpr int kSteps[] = {4, 10, 20, 50};
      const int steps = kSteps[random() % 4];
      const double allowed = 3 * steps * Forward(1);
      jobs.emplace_back(worker.Plan(at, steps, {}, told ? allowed : std::numeric_limits<double>::infinity()),
                        allowed);
    }
    worker.Run();
    for (const auto& [job, allowed] : jobs)
      met[told] += job->evaluations_left == 0 && Latency(*job) <= allowed;
    if (told) {
      EXPECT_GT(met[true], 0.8 * jobs.size());
    }
  }
  EXPECT_GT(met[true], met[false]);
}

TEST(PolicyPromises, ForetoldWaitsComeTrue) {
  SimulatedWorker worker = MakeWorker();
  Poisson arrivals(/*mean_seconds=*/0.98, 5);  // about what it can do: 21 forwards a job
  std::mt19937 random(6);
  double at = 0;
  while ((at = arrivals.Next()) < 3600) {
    constexpr int kSteps[] = {4, 10, 20, 50};
    worker.Plan(at, kSteps[random() % 4]);
  }
  worker.Run();
  std::vector<double> errors;
  for (const auto& job : worker.jobs()) {
    if (!job->was_told) continue;
    ASSERT_TRUE(job->foretold_wait.has_value());
    const double real = absl::ToDoubleSeconds(job->started - job->arrival);
    errors.push_back(std::abs(*job->foretold_wait - real) / real);
  }
  ASSERT_GT(errors.size(), 200u);
  EXPECT_LE(Percentile(errors, 0.5), 0.2);
}

}  // namespace
}  // namespace easel

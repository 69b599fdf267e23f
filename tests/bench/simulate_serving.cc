// simulate_serving: what each policy of forwards makes of a load, on devices that need not be there (serving_simulation.h).
// Prints the table of docs/serving.md.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/serving_policies.h"
#include "tests/bench/simulated_mixes.h"
#include "server/engine/model_costs.h"

namespace easel {
namespace {

struct Flags {
  std::string step_times;  // of `easeld --step-times`; empty: the published ones
  std::vector<int> workers = {1, 8, 64};
  std::vector<std::string> loads = {"0.3", "0.5", "0.8", "0.95", "1.1", "burst"};
  std::vector<std::string> policies = ServingPolicyNames();
  size_t requests = 1500;
  int seeds = 3;
};

constexpr double kBurstLoad = 0.8;
constexpr size_t kLeastRequestsOfAWorker = 100;

// Seeds one after another, so that one report is of them all; of each the first tenth is left out: the server was
// empty then.
LoadReport Cell(const SimulatedMix& mix, const SimulatedServer& server, SimulatedLoad load, int seeds) {
  load.requests = std::max(load.requests, kLeastRequestsOfAWorker * server.workers);
  std::vector<LoadRecord> all;
  double began = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    std::vector<LoadRecord> records = Simulate(server, RequestsOf(mix, load, server.workers, seed));
    double ended = 0;
    records.erase(records.begin(), records.begin() + records.size() / 10);
    const double shift = began - records.front().planned;
    for (LoadRecord& record : records) {
      for (double* time : {&record.planned, &record.sent, &record.ended}) *time += shift;
      if (record.first_preview.has_value()) *record.first_preview += shift;
      ended = std::max(ended, record.ended);
    }
    began = ended;
    all.insert(all.end(), records.begin(), records.end());
  }
  return Summarize(all);
}

void PrintMix(const SimulatedMix& mix, const Flags& flags) {
  for (int workers : flags.workers) {
    for (const std::string& name : flags.loads) {
      const bool burst = name == "burst";
      const SimulatedLoad load{
          .load = burst ? kBurstLoad : std::stod(name), .burst = burst, .requests = flags.requests};
      for (const std::string& policy : flags.policies) {
        SimulatedLoad of_policy = load;
        of_policy.deadlines = ServingPolicyNamed(policy).deadlines;
        const SimulatedServer server{.workers = workers,
                                     .costs = mix.costs,
                                     .policy = ServingPolicyNamed(policy).policy,
                                     .max_batch_rows = mix.max_batch_rows};
        const LoadReport report = Cell(mix, server, of_policy, flags.seeds);
        std::printf("| %s | %d | %s | %s | %.1f %% | %.3g | %.3g s | %.3g s | %.3g s | %.2f |\n", mix.name.c_str(),
                    workers, name.c_str(), policy.c_str(), 100 * report.attainment, report.goodput,
                    report.latency.p50, report.latency.p99, report.first_preview.p99, report.mean_batch);
        std::fflush(stdout);
      }
    }
  }
}

int Run(const Flags& flags) {
  std::vector<SimulatedMix> mixes;
  if (flags.step_times.empty()) {
    mixes = PublishedMixes();
  } else {
    const auto measured = ReadModelCosts(flags.step_times);
    if (!measured.ok()) {
      std::cerr << "simulate_serving: " << measured.status().message() << "\n";
      return 1;
    }
    for (const ModelCosts& costs : *measured) mixes.push_back(MeasuredMix(costs));
  }
  std::printf("| mix | workers | load | policy | in time | in time, 1/s | p50 | p99 | first preview, p99 | pictures a forward |\n"
              "|---|---|---|---|---|---|---|---|---|---|\n");
  for (const SimulatedMix& mix : mixes) PrintMix(mix, flags);
  return 0;
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  easel::Flags flags;
  CLI::App app{
      "What policies make of a load in simulated time. Deadlines are 3 times what a request takes alone; latencies are "
      "of those that got their picture, first previews of those that had one."};
  app.add_option("--step-times", flags.step_times, "a file that easeld wrote; default: published times of FLUX, SD3 and DiT")
      ->check(CLI::ExistingFile);
  app.add_option("--workers", flags.workers, "devices")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--loads", flags.loads,
                 "arriving work over what the devices do one request at a time; burst: 0.8 in bursts")
      ->delimiter(',')
      ->check(CLI::PositiveNumber | CLI::IsMember({"burst"}));
  app.add_option("--policies", flags.policies, "of these")->delimiter(',')->check(CLI::IsMember(easel::ServingPolicyNames()));
  app.add_option("--requests", flags.requests, "a seed, or more where there are many workers")->check(CLI::PositiveNumber);
  app.add_option("--seeds", flags.seeds)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return easel::Run(flags);
}

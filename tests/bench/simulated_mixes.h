// What is simulated: models' step times, measured or published, and the mixes of requests for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/model_costs.h"
#include "tests/bench/serving_simulation.h"

namespace easel {

struct SimulatedKind {
  int width = 0, height = 0;
  int rows = 1;
  int steps = 1;
  double weight = 1;
};

struct SimulatedMix {
  std::string name;
  std::vector<ModelCosts> costs = {};  // an entry a size
  std::vector<SimulatedKind> kinds = {};
  int max_batch_rows = 32;
};

// FLUX, SD3-medium and DiT-XL/2 on an H200.
std::vector<SimulatedMix> PublishedMixes();
// {4, 10, 20, 50} steps with and without guidance, as serving_load.py asks of the shipped model, for the step times of
// one model: what `easeld --step-times` writes.
SimulatedMix MeasuredMix(const ModelCosts& costs);

struct SimulatedLoad {
  double load = 0.8;   // arriving work, over what the workers could do one request at a time
  bool burst = false;  // gaps of coefficient of variation 4, not 1
  double slo = 3;      // × the latency alone
  bool deadlines = true;  // the server is told of it
  size_t requests = 1500;
};

// Requests of the mix for so many workers. Seeded, as `easel load` is, and by the same plan.
std::vector<SimulatedRequest> RequestsOf(const SimulatedMix& mix, const SimulatedLoad& load, int workers,
                                         uint64_t seed);

}  // namespace easel

#include "tests/bench/simulated_mixes.h"

#include <utility>

#include "client/load/load_plan.h"

namespace easel {
namespace {

constexpr double kMs = 1e-3;

// A forward of `pictures` takes `gain` times less than that many one after another.
struct Gain {
  int pictures;
  double gain;
};

// Step times of pictures of size × size, `rows` a picture. Between the pictures given they are on a line (StepTimes).
ModelCosts Square(const std::string& model, int size, int rows, int channels, int text_length, double step_ms,
                  const std::vector<Gain>& gains, double encode_ms, double decode_ms) {
  ModelCosts costs;
  costs.model = model;
  costs.device = "H200";
  costs.width = costs.height = size;
  costs.encode_seconds = encode_ms * kMs;
  costs.decode_seconds = decode_ms * kMs;
  const ForwardShape shape = {0, channels, size / 8, size / 8, text_length};
  costs.forwards.push_back({shape, rows, step_ms * kMs});
  for (const Gain& gain : gains) {
    costs.forwards.push_back({shape, gain.pictures * rows, gain.pictures * step_ms * kMs / gain.gain});
  }
  return costs;
}

}  // namespace

// Steps: PERFORMANCE.md of the project's notes, section 5.2, milliseconds a step on one H200 with CUDA graphs and the
// gain of sharing it: a model (tiles by waves, kernels, bytes) that predicts the published FLUX.1-dev 1024² (128 ms:
// vLLM-Omni, SGLang) as 115, and Qwen-Image 512² and 1024² (SGLang PR 22183) as 53 and 208 where 52 and 243 were
// measured. Where it gives a range, its ends are for 2 and 16 pictures. Decoding: 29.2 ms for 1024² (SGLang PR 33451),
// by pixels for other sizes. Encoding: T5 in 25 ms (20 to 30: the model card of stable-diffusion-3-medium-tensorrt,
// SGLang's perf_baselines). The mixes are those of section 5.3.
std::vector<SimulatedMix> PublishedMixes() {
  SimulatedMix flux{.name = "FLUX"};
  flux.costs = {
      Square("flux", 256, 1, 16, 512, 21, {{2, 1.15}, {16, 1.46}}, 25, 1.8),
      Square("flux", 512, 1, 16, 512, 39, {{2, 1.12}, {16, 1.29}}, 25, 7.3),
      Square("flux", 1024, 1, 16, 512, 115, {{2, 1.04}, {16, 1.08}}, 25, 29.2),
  };
  flux.kinds = {{256, 256, 1, 28, 0.3},
                {512, 512, 1, 28, 0.3},
                {1024, 1024, 1, 28, 0.2},
                {1024, 1024, 1, 50, 0.1},
                {512, 512, 1, 4, 0.1}};

  SimulatedMix sd3{.name = "SD3-medium"};
  sd3.costs = {
      Square("sd3", 512, 2, 16, 333, 9.1, {{2, 1.15}, {4, 1.26}, {8, 1.28}, {16, 1.30}}, 25, 7.3),
      Square("sd3", 1024, 2, 16, 333, 34, {{2, 1.02}, {4, 1.05}, {8, 1.05}, {16, 1.06}}, 25, 29.2),
  };
  sd3.kinds = {{512, 512, 2, 28, 0.6}, {1024, 1024, 2, 28, 0.3}, {512, 512, 2, 50, 0.1}};

  SimulatedMix dit{.name = "DiT-XL/2"};
  dit.costs = {
      Square("dit", 256, 2, 4, 0, 1.8, {{2, 1.35}, {4, 1.63}, {8, 1.90}, {16, 2.2}}, 0, 1.8),
      Square("dit", 512, 2, 4, 0, 4.9, {{2, 1.14}, {4, 1.31}, {8, 1.39}, {16, 1.46}}, 0, 7.3),
  };
  dit.kinds = {{256, 256, 2, 20, 0.35}, {256, 256, 2, 50, 0.35}, {256, 256, 2, 250, 0.1}, {512, 512, 2, 50, 0.2}};
  return {std::move(flux), std::move(sd3), std::move(dit)};
}

SimulatedMix MeasuredMix(const ModelCosts& costs) {
  SimulatedMix mix{.name = costs.model, .costs = {costs}};
  for (int steps : {4, 10, 20, 50}) {
    for (int rows : {1, 2}) mix.kinds.push_back({costs.width, costs.height, rows, steps, 1});
  }
  mix.max_batch_rows = costs.device == "cpu" ? 16 : 32;
  return mix;
}

std::vector<SimulatedRequest> RequestsOf(const SimulatedMix& mix, const SimulatedLoad& load, int workers,
                                         uint64_t seed) {
  const SimulatedServer alone{.costs = mix.costs};
  std::vector<SimulatedRequest> kinds;
  std::vector<double> weights;
  double weight = 0, work = 0;
  for (const SimulatedKind& kind : mix.kinds) {
    SimulatedRequest request{.width = kind.width, .height = kind.height, .rows = kind.rows, .steps = kind.steps};
    const double solo = SoloSeconds(alone, request);
    request.slo = load.slo * solo;
    request.deadline = load.deadlines;
    kinds.push_back(request);
    weights.push_back(kind.weight);
    weight += kind.weight;
    work += kind.weight * solo;
  }
  LoadPlan plan(seed, load.load * workers * weight / work, load.burst, weights);
  std::vector<SimulatedRequest> requests;
  for (size_t i = 0; i < load.requests; ++i) {
    const PlannedRequest planned = plan.Next();
    requests.push_back(kinds[planned.kind]);
    requests.back().arrival = planned.arrival;
  }
  return requests;
}

}  // namespace easel

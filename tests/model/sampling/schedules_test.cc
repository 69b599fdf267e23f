// Every sampler on every kind of schedule: lands on the target of a network that knows it, and keeps to
// Sampler's contract.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "model/sampling/sampler.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

at::Tensor Noise() { return at::randn({2, 4, 4}, at::detail::createCPUGenerator(7)); }
at::Tensor Target() { return at::linspace(-1, 1, 32).reshape({2, 4, 4}); }

NoiseSchedule Betas(BetaCurve curve, TimestepSpacing spacing, bool karras) {
  BetaSchedule betas;
  betas.alphas_cumprod = AlphasCumprod(curve, 0.0001, 0.02, 1000);
  betas.spacing = spacing;
  betas.use_karras_sigmas = karras;
  return NoiseSchedule({{"ddim", betas},
                        {"euler", betas},
                        {"heun", betas},
                        {"dpmpp_2m", betas},
                        {"dpmpp_1m", betas},
                        {"dpmpp_3m", betas},
                        {"dpmpp_2m_sde", betas}});
}

NoiseSchedule Flow(bool dynamic, const FlowConvention& convention) {
  FlowSchedule flow;
  flow.shift = 3;
  flow.convention = convention;
  if (dynamic) flow.dynamic = DynamicShift{};
  return NoiseSchedule(flow, {"euler", "heun", "dpmpp_2m", "dpmpp_1m", "dpmpp_3m", "dpmpp_2m_sde"});
}

const FlowConvention kFlux = {.levels_end_at_one_nth = true, .time_divisor = 1000};

// A sampler on a schedule, and the network's prediction: right, whatever the sampler asks.
struct Generation {
  Generation(const NoiseSchedule& schedule, const std::string& sampler, PredictionKind kind, int steps,
             double eta = 0)
      : schedule(schedule), kind(kind) {
    SamplerOptions options;
    options.prediction = kind;
    options.schedule = schedule;
    options.steps = steps;
    options.shift = schedule.shift();
    options.eta = eta;
    options.generator = at::detail::createCPUGenerator(8);
    grid = schedule.Grid(sampler, steps, options.shift, 4, 4).value();
    this->sampler = MakeSampler(sampler, options, Noise()).value();
  }

  // The level is found by its time, of which none occurs twice in these grids.
  at::Tensor Predict() const {
    const ModelInput input = sampler->Next();
    size_t level = 0;
    while (grid.times.at(level) != input.time) ++level;
    const double sigma = grid.sigmas[level];
    if (schedule.path() != NoisePath::kBetas) return (input.latent - Target()) / sigma;  // velocity
    const double alpha = 1 / std::hypot(sigma, 1.0);
    const at::Tensor noise = (input.latent - alpha * Target()) / (sigma * alpha);
    return kind == PredictionKind::kEpsilon ? noise : alpha * noise - sigma * alpha * Target();
  }

  NoiseSchedule schedule;
  PredictionKind kind;
  TimeGrid grid;
  std::unique_ptr<Sampler> sampler;
};

struct Case {
  std::string name;
  NoiseSchedule schedule;
  std::vector<PredictionKind> kinds;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Case> Cases() {
  const std::vector<PredictionKind> ddpm = {PredictionKind::kEpsilon, PredictionKind::kV};
  const std::vector<PredictionKind> flow = {PredictionKind::kVelocity};
  using enum TimestepSpacing;
  return {{"linear_leading", Betas(BetaCurve::kLinear, kLeading, false), ddpm},
          {"linear_linspace", Betas(BetaCurve::kLinear, kLinspace, false), ddpm},
          {"scaled_linear_trailing", Betas(BetaCurve::kScaledLinear, kTrailing, false), ddpm},
          {"karras", Betas(BetaCurve::kScaledLinear, kLinspace, true), ddpm},
          {"flow", Flow(false, {}), flow},
          {"flow_of_flux", Flow(false, kFlux), flow},
          {"flow_dynamic", Flow(true, kFlux), flow}};
}

class EverySchedule : public ::testing::TestWithParam<Case> {
 protected:
  template <typename F>
  void ForEachSampler(const std::vector<int>& step_counts, const F& test) {
    for (const std::string& sampler : SamplerNames(GetParam().schedule)) {
      for (PredictionKind kind : GetParam().kinds) {
        for (int steps : step_counts) {
          SCOPED_TRACE(sampler + ", kind " + std::to_string(static_cast<int>(kind)) + ", " +
                       std::to_string(steps) + " steps");
          test(sampler, kind, steps);
        }
      }
    }
  }
};

TEST_P(EverySchedule, LandsOnTheTarget) {
  ForEachSampler({1, 2, 3, 10}, [](const std::string& sampler, PredictionKind kind, int steps) {
    Generation run(GetParam().schedule, sampler, kind, steps);
    while (!run.sampler->done()) run.sampler->Advance(run.Predict());
    EXPECT_TRUE(RelativelyClose(run.sampler->Denoised(), Target(), 2e-4));
  });
}

TEST_P(EverySchedule, GuessesTheCleanLatentFromTheFirstEvaluationOn) {
  ForEachSampler({6}, [](const std::string& sampler, PredictionKind kind, int steps) {
    Generation run(GetParam().schedule, sampler, kind, steps);
    EXPECT_TRUE(SameBytes(run.sampler->Denoised(), Noise()));
    // Not of the last step: DDIM's may stop at timestep 0, short of the data.
    for (run.sampler->Advance(run.Predict()); !run.sampler->done(); run.sampler->Advance(run.Predict())) {
      EXPECT_TRUE(RelativelyClose(run.sampler->Denoised(), Target(), 2e-4)) << run.sampler->step();
    }
  });
}

// The network was trained on inputs of unit variance, where data and noise have it.
TEST_P(EverySchedule, InputsAreScaledAsInTraining) {
  ForEachSampler({6}, [](const std::string& sampler, PredictionKind kind, int steps) {
    Generation run(GetParam().schedule, sampler, kind, steps);
    EXPECT_LT((run.sampler->Next().latent - Noise()).abs().max().item<double>(), 0.02);
  });
}

TEST_P(EverySchedule, CountsStepsAndEvaluationsAndLeavesTensorsAlone) {
  ForEachSampler({1, 5}, [](const std::string& sampler, PredictionKind kind, int steps) {
    Generation run(GetParam().schedule, sampler, kind, steps);
    EXPECT_EQ(run.sampler->total_steps(), steps);
    std::vector<at::Tensor> handed_out, copies;
    int evaluations = 0;
    for (; !run.sampler->done(); ++evaluations) {
      const at::Tensor prediction = run.Predict();
      for (const at::Tensor& tensor : {run.sampler->Next().latent, run.sampler->Denoised(), prediction}) {
        handed_out.push_back(tensor);
        copies.push_back(tensor.clone());
      }
      run.sampler->Advance(prediction);
    }
    EXPECT_EQ(evaluations, run.sampler->total_evaluations());
    EXPECT_EQ(evaluations, sampler == "heun" ? 2 * steps - 1 : steps);
    EXPECT_EQ(run.sampler->step(), steps);
    for (size_t i = 0; i < copies.size(); ++i) EXPECT_TRUE(SameBytes(handed_out[i], copies[i]));
  });
}

INSTANTIATE_TEST_SUITE_P(Schedules, EverySchedule, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Ddim, LandsOnTheTargetWithNoiseAddedOnTheWay) {
  const NoiseSchedule schedule = Betas(BetaCurve::kLinear, TimestepSpacing::kLeading, false);
  Generation plain(schedule, "ddim", PredictionKind::kEpsilon, 10),
      noisy(schedule, "ddim", PredictionKind::kEpsilon, 10, 1);
  plain.sampler->Advance(plain.Predict());
  noisy.sampler->Advance(noisy.Predict());
  EXPECT_FALSE(at::allclose(plain.sampler->Next().latent, noisy.sampler->Next().latent, 0.01, 0.01));
  while (!noisy.sampler->done()) noisy.sampler->Advance(noisy.Predict());
  EXPECT_TRUE(RelativelyClose(noisy.sampler->Denoised(), Target(), 2e-4));
}

TEST(Samplers, WhatCannotBeIsNamed) {
  const NoiseSchedule ddpm = Betas(BetaCurve::kLinear, TimestepSpacing::kLinspace, false);
  auto message = [](const std::string& sampler, const SamplerOptions& options) {
    return std::string(MakeSampler(sampler, options, Noise()).status().message());
  };
  EXPECT_EQ(message("ddim", {.schedule = Flow(false, {})}),
            "sampler: \"ddim\" is not known; there are: euler, heun, dpmpp_2m, dpmpp_1m, "
            "dpmpp_3m, dpmpp_2m_sde");
  EXPECT_EQ(message("euler", {.schedule = ddpm, .eta = 0.5}), "eta: has no effect on euler");
  EXPECT_EQ(message("ddim", {.schedule = ddpm, .eta = 1.5}), "eta: 1.5 is not allowed; it must be in 0 … 1");
  EXPECT_EQ(
      message("ddim", {.schedule = ddpm, .steps = 1001}),
      "num_inference_steps: 1001 is not allowed; ddim finds fewer noise levels in this model's schedule, "
      "and takes 1000");
  EXPECT_EQ(
      message("dpmpp_2m", {.schedule = ddpm, .steps = 1000}),
      "num_inference_steps: 1000 is not allowed; dpmpp_2m finds fewer noise levels in this model's schedule, "
      "and takes 999");
}

TEST(Samplers, AsManyStepsAsThereAreLevels) {
  const NoiseSchedule ddpm = Betas(BetaCurve::kLinear, TimestepSpacing::kLinspace, false);
  for (const char* sampler : {"ddim", "euler", "heun"})
    EXPECT_TRUE(ddpm.Grid(sampler, 1000, 1, 4, 4).ok()) << sampler;
  EXPECT_TRUE(ddpm.Grid("dpmpp_2m", 999, 1, 4, 4).ok());
}

TEST(Samplers, TheShiftOfTheOptionsTakesTheSchedulesPlace) {
  const NoiseSchedule schedule = Flow(false, {});
  EXPECT_NE(schedule.Grid("euler", 4, 3, 4, 4)->sigmas, schedule.Grid("euler", 4, 1, 4, 4)->sigmas);
  const NoiseSchedule dynamic = Flow(true, kFlux);  // which has none to take
  EXPECT_EQ(dynamic.Grid("euler", 4, 3, 4, 4)->sigmas, dynamic.Grid("euler", 4, 1, 4, 4)->sigmas);
}

}  // namespace
}  // namespace easel

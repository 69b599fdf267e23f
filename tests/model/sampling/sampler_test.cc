#include "model/sampling/sampler.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

at::Tensor Noise() { return at::randn({2, 4, 4}, at::detail::createCPUGenerator(7)); }
at::Tensor Target() { return at::linspace(-1, 1, 32).reshape({2, 4, 4}); }

std::unique_ptr<Sampler> Make(std::string_view name, const SamplerOptions& options) {
  return MakeSampler(name, options, Noise()).value();
}

// What a network that knows its target predicts.
at::Tensor Predict(PredictionKind kind, const ModelInput& input) {
  at::Tensor velocity = (input.latent - Target()) / input.time;
  return kind == PredictionKind::kVelocity ? velocity : Target() + velocity;
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

class EverySampler : public ::testing::TestWithParam<std::string> {};

TEST_P(EverySampler, LandsOnTheTargetInAnyNumberOfSteps) {
  for (PredictionKind kind : {PredictionKind::kVelocity, PredictionKind::kEpsilon}) {
    for (int steps : {1, 2, 3, 10}) {
      for (double shift : {1.0, 3.0}) {
        auto sampler = Make(GetParam(), {.prediction = kind, .steps = steps, .shift = shift});
        while (!sampler->done()) sampler->Advance(Predict(kind, sampler->Next()));
        // One step of epsilon goes from t = 1, where it does not know the data, straight to 0.
        if (kind == PredictionKind::kEpsilon && steps == 1) continue;
        EXPECT_LT(MaxDifference(sampler->Denoised(), Target()), 2e-5) << steps << " steps, shift " << shift;
      }
    }
  }
}

TEST_P(EverySampler, CountsItsStepsAndEvaluations) {
  auto sampler = Make(GetParam(), {.steps = 5});
  int evaluations = 0;
  EXPECT_EQ(sampler->total_steps(), 5);
  for (; !sampler->done(); ++evaluations) {
    EXPECT_LE(sampler->step(), evaluations);
    sampler->Advance(Predict(PredictionKind::kVelocity, sampler->Next()));
  }
  EXPECT_EQ(sampler->step(), 5);
  EXPECT_EQ(evaluations, sampler->total_evaluations());
  EXPECT_EQ(evaluations, TotalEvaluations(GetParam(), 5)) << "known before there is a sampler";
}

TEST_P(EverySampler, GuessesTheCleanLatentFromTheFirstEvaluationOn) {
  auto sampler = Make(GetParam(), {.steps = 8});
  EXPECT_TRUE(at::equal(sampler->Denoised(), Noise()));
  EXPECT_EQ(sampler->Next().time, 1.0f);
  sampler->Advance(Predict(PredictionKind::kVelocity, sampler->Next()));
  EXPECT_LT(MaxDifference(sampler->Denoised(), Target()), 1e-5);
}

TEST_P(EverySampler, NeverEvaluatesAtTimeZero) {
  auto sampler = Make(GetParam(), {.steps = 4});
  while (!sampler->done()) {
    EXPECT_GT(sampler->Next().time, 0.0f);
    sampler->Advance(Predict(PredictionKind::kVelocity, sampler->Next()));
  }
}

TEST_P(EverySampler, LeavesWhatItWasGivenAlone) {
  at::Tensor noise = Noise();
  auto sampler = MakeSampler(GetParam(), {.steps = 3}, noise).value();
  ModelInput first = sampler->Next();
  at::Tensor prediction = at::ones_like(noise);
  while (!sampler->done()) sampler->Advance(prediction);
  EXPECT_TRUE(at::equal(noise, Noise()));
  EXPECT_TRUE(at::equal(first.latent, Noise()));
  EXPECT_TRUE(at::equal(prediction, at::ones_like(noise)));
}

INSTANTIATE_TEST_SUITE_P(Samplers, EverySampler, ::testing::ValuesIn(SamplerNames()),
                         [](const auto& info) { return info.param; });

// dx/dt = x from 1 to 0 ends at x(1)/e: a second-order method gains four-fold when the steps are halved,
// Euler two-fold.
double ErrorOnExponential(std::string_view name, int steps) {
  at::Tensor one = at::ones({1, 1, 1});
  auto sampler = MakeSampler(name, {.steps = steps}, one).value();
  while (!sampler->done()) sampler->Advance(sampler->Next().latent);
  return std::abs(sampler->Denoised().item<double>() - std::exp(-1.0));
}

TEST(Samplers, EulerIsOfFirstOrderAndHeunOfSecond) {
  EXPECT_NEAR(ErrorOnExponential("euler", 16) / ErrorOnExponential("euler", 32), 2, 0.1);
  // Its last step is Euler's, which costs O(1/n²) once.
  EXPECT_NEAR(ErrorOnExponential("heun", 16) / ErrorOnExponential("heun", 32), 4, 0.4);
  EXPECT_LT(ErrorOnExponential("heun", 16), ErrorOnExponential("euler", 16) / 10);
}

TEST(Samplers, AnUnknownNameIsRefusedWithTheNamesThereAre) {
  absl::Status status = MakeSampler("ddim", {}, Noise()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "sampler: \"ddim\" is not known; there are: euler, heun");
}

TEST(Samplers, EulerIsTheDefault) { EXPECT_EQ(SamplerNames().front(), "euler"); }

}  // namespace
}  // namespace easel

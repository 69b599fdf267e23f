#include "model/sampling/prediction.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

double MaxDifference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

struct Path {
  at::Tensor data = at::randn({2, 3, 3}, at::detail::createCPUGenerator(1));
  at::Tensor noise = at::randn({2, 3, 3}, at::detail::createCPUGenerator(2));
  at::Tensor At(double t) const { return (1 - t) * data + t * noise; }
};

TEST(Prediction, TheRightPredictionGivesTheDataAndTheVelocity) {
  Path path;
  NoiseSchedule schedule;
  for (double t : {0.0, 0.1, 0.5, 0.9}) {
    for (PredictionKind kind : {PredictionKind::kVelocity, PredictionKind::kEpsilon}) {
      const at::Tensor prediction = kind == PredictionKind::kVelocity ? path.noise - path.data : path.noise;
      EXPECT_LT(MaxDifference(ToDenoised(kind, prediction, path.At(t), t, schedule), path.data), 1e-5) << t;
      EXPECT_LT(MaxDifference(ToVelocity(kind, prediction, path.At(t), t, schedule), path.noise - path.data),
                1e-5)
          << t;
    }
  }
}

TEST(Prediction, EpsilonAtPureNoiseTakesTheDataToBeZero) {
  Path path;
  NoiseSchedule schedule;
  EXPECT_TRUE(
      at::equal(ToVelocity(PredictionKind::kEpsilon, path.noise, path.At(1), 1, schedule), path.noise));
  EXPECT_TRUE(at::equal(ToDenoised(PredictionKind::kEpsilon, path.noise, path.At(1), 1, schedule),
                        at::zeros_like(path.noise)));
}

}  // namespace
}  // namespace easel

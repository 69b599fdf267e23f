#include "model/train/noise_coupling.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <vector>

namespace easel {
namespace {

at::Tensor Randn(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

// Pictures of very different strength, which without b would be chosen very differently often.
at::Tensor Pictures() { return Randn({6, 2, 4, 4}, 1) * at::tensor({0.3, 1.0, 1.0, 2.0, 0.7, 1.5}).reshape({6, 1, 1, 1}).to(at::kFloat); }

TEST(NoiseCoupling, EveryPictureOfAGroupIsEquallyLikely) {
  const NoiseCoupling coupling(Pictures(), {{0, 1, 2, 3, 4, 5}, {1, 3}}, 1);
  std::vector<int> all(6), two(6);
  constexpr int kNoises = 6000;
  const at::Tensor noise = Randn({kNoises, 2, 4, 4}, 2);
  for (int i = 0; i < kNoises; ++i) {
    ++all[coupling.PictureOf(noise[i], 0)];
    ++two[coupling.PictureOf(noise[i], 1)];
  }
  for (int count : all) EXPECT_NEAR(count, kNoises / 6, kNoises / 6 / 5);
  EXPECT_EQ(two[1] + two[3], kNoises);
  EXPECT_NEAR(two[1], kNoises / 2, kNoises / 2 / 10);
}

// Paths do not cross: where two noises go to different pictures, swapping them is no shorter.
TEST(NoiseCoupling, NoTwoNoisesWouldBetterSwap) {
  const at::Tensor pictures = Pictures(), noise = Randn({40, 2, 4, 4}, 3);
  const NoiseCoupling coupling(pictures, {{0, 1, 2, 3, 4, 5}}, 1);
  int different = 0;
  for (int a = 0; a < 40; ++a) {
    for (int b = 0; b < a; ++b) {
      const at::Tensor of_a = pictures[coupling.PictureOf(noise[a], 0)], of_b = pictures[coupling.PictureOf(noise[b], 0)];
      EXPECT_GE(((noise[a] - noise[b]) * (of_a - of_b)).sum().item<float>(), -1e-3);
      different += !at::equal(of_a, of_b);
    }
  }
  EXPECT_GT(different, 100);
}

TEST(NoiseCoupling, AGroupOfOneNeedsNoChoice) {
  EXPECT_EQ(NoiseCoupling(Pictures(), {{4}}, 1).PictureOf(Randn({2, 4, 4}, 4), 0), 4);
}

}  // namespace
}  // namespace easel

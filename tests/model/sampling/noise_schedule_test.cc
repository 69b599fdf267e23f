#include "model/sampling/noise_schedule.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;

TEST(NoiseSchedule, TimesWithoutShiftAreLinear) {
  EXPECT_THAT(NoiseSchedule().Times(4, 1), ElementsAre(1.0f, 0.75f, 0.5f, 0.25f, 0.0f));
}

// shift·t / (1 + (shift − 1)·t), by hand: t = 3/4 → 2.25 / 2.5, t = 1/2 → 1.5 / 2, t = 1/4 → 0.75 / 1.5.
TEST(NoiseSchedule, ShiftMovesTimesTowardsNoise) {
  EXPECT_THAT(NoiseSchedule().Times(4, 3), ElementsAre(1.0f, FloatNear(0.9f, 1e-6f), FloatNear(0.75f, 1e-6f),
                                                       FloatNear(0.5f, 1e-6f), 0.0f));
}

TEST(NoiseSchedule, TimesBeginAtOneEndAtZeroAndFall) {
  for (double shift : {0.3, 1.0, 1.7, 3.0, 12.0}) {
    for (int steps : {1, 2, 3, 7, 28, 50, 999}) {
      std::vector<float> times = NoiseSchedule().Times(steps, shift);
      ASSERT_EQ(times.size(), steps + 1u);
      EXPECT_EQ(times.front(), 1.0f) << "shift " << shift;
      EXPECT_EQ(times.back(), 0.0f) << "shift " << shift;
      for (int i = 0; i < steps; ++i)
        EXPECT_GT(times[i], times[i + 1]) << "shift " << shift << ", step " << i;
    }
  }
}

TEST(NoiseSchedule, WeightsOfDataAndNoiseSumToOne) {
  NoiseSchedule schedule;
  EXPECT_EQ(schedule.alpha(0.25), 0.75);
  EXPECT_EQ(schedule.sigma(0.25), 0.25);
}

}  // namespace
}  // namespace easel

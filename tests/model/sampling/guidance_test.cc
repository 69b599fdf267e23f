#include "model/sampling/guidance.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

at::Tensor Conditional() { return at::randn({4, 3, 3}, at::detail::createCPUGenerator(1)); }
at::Tensor Unconditional() { return at::randn({4, 3, 3}, at::detail::createCPUGenerator(2)); }

TEST(Guidance, ExtrapolatesFromUnconditionalThroughConditional) {
  at::Tensor guided = Guide({.scale = 3}, at::full({1, 2, 2}, 5.0), at::full({1, 2, 2}, 4.0));
  EXPECT_TRUE(at::equal(guided, at::full({1, 2, 2}, 7.0)));
}

TEST(Guidance, OneRowIsThePrediction) {
  EXPECT_TRUE(at::equal(Guide({.scale = 1}, Conditional(), {}), Conditional()));
  EXPECT_TRUE(at::equal(Guide({.scale = 0}, {}, Unconditional()), Unconditional()));
}

TEST(Guidance, NeedsOneRowAtScaleOneAndZeroOnly) {
  struct {
    double scale;
    bool conditional, unconditional;
  } cases[] = {{1, true, false}, {0, false, true}, {0.5, true, true}, {7.5, true, true}, {-1, true, true}};
  for (const auto& c : cases) {
    EXPECT_EQ(Guidance{c.scale}.uses_conditional(), c.conditional) << c.scale;
    EXPECT_EQ(Guidance{c.scale}.uses_unconditional(), c.unconditional) << c.scale;
  }
}

TEST(Guidance, FullRescaleHasTheConditionalRowsDeviation) {
  at::Tensor guided = Guide({.scale = 7.5, .rescale = 1}, Conditional(), Unconditional());
  EXPECT_NEAR(guided.std().item<float>(), Conditional().std().item<float>(), 1e-5);
}

TEST(Guidance, RescaleMixes) {
  at::Tensor off = Guide({.scale = 7.5}, Conditional(), Unconditional());
  at::Tensor full = Guide({.scale = 7.5, .rescale = 1}, Conditional(), Unconditional());
  at::Tensor some = Guide({.scale = 7.5, .rescale = 0.7}, Conditional(), Unconditional());
  EXPECT_TRUE(at::allclose(some, 0.7 * full + 0.3 * off, 1e-5, 1e-5));
  EXPECT_FALSE(at::allclose(some, off, 1e-3, 1e-3));
}

}  // namespace
}  // namespace easel

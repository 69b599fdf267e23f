// The picture kernels of every instruction set this machine has, against LibTorch in float64; and the layers made of them.
#include "model/nn/packed_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/nn/kernels/kernels.h"
#include "tests/testing/on_threads.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/row_bits.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

class PictureKernels : public testing::TestWithParam<const CpuKernels*> {};

std::vector<const CpuKernels*> All() {
  std::vector<const CpuKernels*> all;
  for (const CpuKernels* const* k = AllCpuKernels(); *k != nullptr; ++k) all.push_back(*k);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, PictureKernels, testing::ValuesIn(All()), [](const auto& info) { return std::string(info.param->name); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PictureKernels);  // an old or another machine has none

struct Shape {
  int64_t in, out, height, width;
};
// Narrow, ragged and whole vectors and panels of channels; a pixel, odd sides, a row, a column.
const std::vector<Shape> kShapes = {{1, 1, 1, 1}, {3, 17, 4, 6}, {16, 32, 5, 7}, {20, 40, 1, 9}, {33, 16, 9, 1}, {64, 96, 12, 10}};

// `times`: 1, or 2 for pictures that are doubled on the way.
void ExpectConvolveAsConv2d(const CpuKernels& k, int64_t times) {
  for (const auto& [in, out, x_height, x_width] : kShapes) {
    SCOPED_TRACE(testing::Message() << in << " " << out << " " << x_height << " " << x_width);
    const int64_t height = times * x_height, width = times * x_width;
    const at::Tensor weight = at::randn({out, in, 3, 3}), bias = at::randn({out});
    const at::Tensor x = at::randn({x_height, x_width, in}), add = at::randn({height, width, out});
    const at::Tensor picture = at::upsample_nearest2d(x.permute({2, 0, 1}).unsqueeze(0).to(at::kDouble), {height, width});
    const at::Tensor convolved = at::conv2d(picture, weight.to(at::kDouble), bias.to(at::kDouble), {1, 1}, {1, 1});
    const at::Tensor expected = convolved.squeeze(0).permute({1, 2, 0});
    at::Tensor packed = at::full({16 * ((out + k.panel - 1) / k.panel) * k.panel * in}, NAN);
    k.pack_convolution(weight.const_data_ptr<float>(), out, in, packed.mutable_data_ptr<float>());
    const int64_t tiles = (height + 1) / 2 * ((width + 1) / 2);
    for (const bool adds : {false, true}) {
      at::Tensor y = at::full({height, width, out}, NAN);
      for (int64_t first = 0; first < tiles; first += 4) {
        const int64_t count = std::min<int64_t>(4, tiles - first);
        at::Tensor scratch = at::full({16 * count * (in + out)}, NAN);
        k.convolve(x.const_data_ptr<float>(), height, width, in, /*doubled=*/times == 2, packed.const_data_ptr<float>(),
                   bias.const_data_ptr<float>(), adds ? add.const_data_ptr<float>() : nullptr, out, first, count,
                   scratch.mutable_data_ptr<float>(), y.mutable_data_ptr<float>());
      }
      EXPECT_TRUE(RelativelyClose(y, (adds ? expected + add : expected).to(at::kFloat), 2e-6));
    }
  }
}

TEST_P(PictureKernels, ConvolveAsConv2d) { ExpectConvolveAsConv2d(*GetParam(), 1); }
TEST_P(PictureKernels, ConvolveOfADoubledPictureAsConv2d) { ExpectConvolveAsConv2d(*GetParam(), 2); }

TEST_P(PictureKernels, ChannelMoments) {
  for (const int64_t channels : {1, 7, 16, 40}) {
    const at::Tensor x = at::randn({13, channels}) + 30;  // a variance that is small beside the mean's square
    at::Tensor sums = at::full({channels}, NAN), squares = at::full({channels}, NAN);
    GetParam()->channel_moments(x.const_data_ptr<float>(), 13, channels, sums.mutable_data_ptr<float>(), squares.mutable_data_ptr<float>());
    const at::Tensor wide = x.to(at::kDouble), mean = wide.mean(0);
    EXPECT_TRUE(RelativelyClose(sums, wide.sum(0).to(at::kFloat), 1e-6)) << channels;
    EXPECT_TRUE(RelativelyClose(squares, (wide - mean).square().sum(0).to(at::kFloat), 1e-5)) << channels;
  }
}

TEST_P(PictureKernels, ScaledSilu) {
  const int64_t channels = 37;
  const at::Tensor x = at::linspace(-120, 120, 20 * channels).reshape({20, channels}), shift = at::randn({channels});
  const at::Tensor scale = at::rand({channels}) + 0.5;
  at::Tensor y = at::full_like(x, NAN);
  GetParam()->scaled_silu(x.const_data_ptr<float>(), 20, channels, scale.const_data_ptr<float>(), shift.const_data_ptr<float>(),
                          y.mutable_data_ptr<float>());
  const at::Tensor expected = at::silu(x.to(at::kDouble) * scale + shift);
  // Each number, and not their norm: of the large negative ones nothing but their smallness is left.
  EXPECT_LE(((y - expected).abs() / (expected.abs() + 1e-6)).max().item<double>(), 1e-5);
  EXPECT_TRUE(RelativelyClose(y, expected.to(at::kFloat), 3e-7));
}

TEST_P(PictureKernels, ScaledSiluOfNoNumberIsNoNumber) {
  const at::Tensor x = at::full({1, 17}, NAN), one = at::ones({17});
  at::Tensor y = at::zeros({1, 17});
  GetParam()->scaled_silu(x.const_data_ptr<float>(), 1, 17, one.const_data_ptr<float>(), one.const_data_ptr<float>(),
                          y.mutable_data_ptr<float>());
  EXPECT_TRUE(y.isnan().all().item<bool>());
}

// The layers one after the other: packed, and as a trained network goes without packing.
struct Layers {
  explicit Layers(WeightSource* source, Packing packing)
      : norm(Weights(source) / "norm", 4, 24, 1e-6),
        conv(Weights(source) / "conv", 24, 40, packing),
        upsample(Weights(source) / "upsample", 40, 40, packing),
        shortcut(Weights(source) / "shortcut", 40, 20, packing) {}
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& add) const {
    return shortcut(upsample.OfDoubled(conv(SiluOfNorm(norm, x), add)));
  }

  GroupNorm norm;
  Conv3x3 conv, upsample;
  Conv1x1 shortcut;
};

TEST(PackedConvolution, IsTheSameAsTheTrainedOne) {
  RandomWeights weights(1), trained_weights(1, RandomWeights::Trained::kYes);
  const Layers packed(&weights, Packing::kYes), trained(&trained_weights, Packing::kYes);
  const at::Tensor x = at::randn({2, 24, 26, 17}), add = at::randn({2, 40, 26, 17});
  const at::Tensor expected = trained(x, add);
  EXPECT_TRUE(expected.requires_grad());
  EXPECT_TRUE(RelativelyClose(packed(x, add), expected.detach(), 1e-6));
  EXPECT_TRUE(RelativelyClose(packed(x.contiguous(at::MemoryFormat::ChannelsLast), add), expected.detach(), 1e-6));
}

TEST(PackedConvolution, PicturesKeepTheirBitsInABatchAndOnAnyNumberOfThreads) {
  RandomWeights weights(1);
  const Layers layers(&weights, Packing::kYes);
  const at::Tensor x = at::randn({4, 24, 40, 26}), add = at::randn({4, 40, 40, 26});
  auto forward = [&](int64_t first, int64_t count) { return layers(x.narrow(0, first, count), add.narrow(0, first, count)); };
  ExpectRowsKeepTheirBits(4, forward);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = forward(0, 1);
  at::set_num_threads(3);
  EXPECT_TRUE(SameBytes(forward(0, 1), one));
  at::set_num_threads(threads);
  int tasks = 0;
  const ForEach on_threads = OnThreads(&tasks);
  const SpreadOver spread(on_threads);
  EXPECT_TRUE(SameBytes(forward(0, 1), one));
  if (FastestCpuKernels() != nullptr) {
    EXPECT_GT(tasks, 2);
  }
}

TEST(PackedConvolution, RefusesOtherInputs) {
  if (FastestCpuKernels() == nullptr) GTEST_SKIP() << "this machine has no kernels";
  RandomWeights weights(1);
  const Conv3x3 conv(Weights(&weights), 16, 16, Packing::kYes);
  EXPECT_THROW(conv(at::randn({1, 15, 4, 4})), c10::Error);
  EXPECT_THROW(conv(at::randn({1, 16, 4, 4}).to(at::kDouble)), c10::Error);
  EXPECT_THROW(conv(at::randn({1, 16, 4, 4}).requires_grad_(true)), c10::Error);
  EXPECT_THROW(conv.OfDoubled(at::randn({1, 15, 4, 4})), c10::Error);
  RandomWeights more(1);
  EXPECT_THROW(Conv1x1(Weights(&more), 16, 16, Packing::kYes)(at::randn({1, 15, 4, 4})), c10::Error);
}

}  // namespace
}  // namespace easel

// The kernels of every instruction set this machine has: against LibTorch in float64, and that a row's bits depend on the row alone.
#include "model/nn/kernels/kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "model/nn/activation.h"
#include "model/nn/layers.h"
#include "model/nn/modulation.h"
#include "model/nn/packed_weight.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

class Kernels : public testing::TestWithParam<const CpuKernels*> {
 protected:
  at::Tensor Multiply(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const {
    const CpuKernels& k = *GetParam();
    const int64_t out = weight.size(0), in = weight.size(1), panels = (out + k.panel - 1) / k.panel;
    at::Tensor packed = at::full({panels * k.panel * in}, NAN);
    k.pack(weight.const_data_ptr<float>(), out, in, packed.mutable_data_ptr<float>());
    at::Tensor y = at::full({x.size(0), out}, NAN);
    k.multiply(x.const_data_ptr<float>(), x.size(0), in, packed.const_data_ptr<float>(),
               bias.defined() ? bias.const_data_ptr<float>() : nullptr, out, y.mutable_data_ptr<float>());
    return y;
  }
};

std::vector<const CpuKernels*> All() {
  std::vector<const CpuKernels*> all;
  for (const CpuKernels* const* k = AllCpuKernels(); *k != nullptr; ++k) all.push_back(*k);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, Kernels, testing::ValuesIn(All()), [](const auto& info) { return std::string(info.param->name); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Kernels);  // an old or another machine has none

struct Shape {
  int64_t rows, in, out;
};
// Narrow, ragged and whole panels; one row to several blocks of them; several depths of a panel.
const std::vector<Shape> kShapes = {{1, 1, 1},    {1, 7, 33},    {2, 16, 32},  {11, 5, 31},   {13, 64, 48},
                                    {64, 96, 96}, {300, 40, 70}, {5, 1024, 9}, {17, 2500, 40}};

TEST_P(Kernels, MultiplyAsLinear) {
  for (const auto& [rows, in, out] : kShapes) {
    const at::Tensor x = at::randn({rows, in}), weight = at::randn({out, in}), bias = at::randn({out});
    const at::Tensor expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
    EXPECT_TRUE(RelativelyClose(Multiply(x, weight, {}), expected.to(at::kFloat), 2e-6)) << rows << " " << in << " " << out;
    EXPECT_TRUE(RelativelyClose(Multiply(x, weight, bias), (expected + bias).to(at::kFloat), 2e-6)) << rows << " " << in << " " << out;
  }
}

TEST_P(Kernels, MultiplyKeepsARowsBitsAtAnyCountAndPlace) {
  for (const auto& [rows, in, out] : kShapes) {
    const at::Tensor weight = at::randn({out, in}), bias = at::randn({out}), x = at::randn({rows, in});
    const at::Tensor all = Multiply(x, weight, bias);
    for (int64_t row : {int64_t{0}, rows / 2, rows - 1}) {
      EXPECT_TRUE(SameBytes(Multiply(x.narrow(0, row, 1).contiguous(), weight, bias)[0], all[row])) << rows << " " << in << " " << out;
      EXPECT_TRUE(SameBytes(Multiply(x.narrow(0, row, rows - row).contiguous(), weight, bias)[0], all[row]));
    }
  }
}

TEST_P(Kernels, NormsAndGates) {
  const CpuKernels& k = *GetParam();
  for (int64_t dim : {1, 7, 16, 24, 100, 256}) {
    const int64_t groups = 3, rows = 5, stride = 2 * dim + 3;
    const at::Tensor x = at::randn({groups, rows, dim}) + 3, update = at::randn({groups, rows, dim});
    const at::Tensor vectors = at::randn({groups, stride});
    const at::Tensor shift = vectors.narrow(1, 0, dim), scale = vectors.narrow(1, dim, dim);
    at::Tensor y = at::full_like(x, NAN);
    k.modulated_norm(x.const_data_ptr<float>(), groups, rows, dim, shift.const_data_ptr<float>(), scale.const_data_ptr<float>(), stride,
                     1e-6f, y.mutable_data_ptr<float>());
    const at::Tensor normed = at::layer_norm(x.to(at::kDouble), {dim}, {}, {}, 1e-6);
    EXPECT_TRUE(RelativelyClose(y, (normed * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)).to(at::kFloat), 1e-6)) << dim;

    k.gated_add(x.const_data_ptr<float>(), update.const_data_ptr<float>(), groups, rows, dim, scale.const_data_ptr<float>(), stride,
                y.mutable_data_ptr<float>());
    EXPECT_TRUE(RelativelyClose(y, x + scale.unsqueeze(1) * update, 1e-6)) << dim;

    const int64_t heads = 2;
    const at::Tensor wide = at::randn({rows, 2 * heads * dim + 1}), weight = at::randn({dim});
    at::Tensor heads_normed = at::full({rows, heads, dim}, NAN);
    k.head_norm(wide.const_data_ptr<float>() + 1, wide.size(1), rows, heads, dim, weight.const_data_ptr<float>(), 1e-6f,
                heads_normed.mutable_data_ptr<float>());
    const at::Tensor from = wide.narrow(1, 1, heads * dim).reshape({rows, heads, dim}).to(at::kDouble);
    EXPECT_TRUE(RelativelyClose(heads_normed, at::rms_norm(from, {dim}, weight.to(at::kDouble), 1e-6).to(at::kFloat), 1e-6)) << dim;
  }
}

TEST_P(Kernels, Gelu) {
  const int64_t count = 5003;
  const at::Tensor x = at::cat({at::linspace(-12, 12, count - 2), at::tensor({-1e6f, 1e6f})});
  at::Tensor y = at::full_like(x, NAN);
  GetParam()->gelu(x.const_data_ptr<float>(), count, y.mutable_data_ptr<float>());
  const at::Tensor expected = at::gelu(x.to(at::kDouble), "tanh");
  // Of the large negative ones nothing but their smallness is left.
  EXPECT_LE(((y - expected).abs() / (expected.abs() + 1e-6)).max().item<double>(), 1e-5);
  EXPECT_TRUE(RelativelyClose(y, expected.to(at::kFloat), 3e-7));
  for (int64_t first = 1; first < 40; ++first) {  // at any place of a vector, and in what is left over after the last
    at::Tensor moved = at::full({count - first}, NAN);
    GetParam()->gelu(x.const_data_ptr<float>() + first, count - first, moved.mutable_data_ptr<float>());
    ASSERT_TRUE(SameBytes(moved, y.narrow(0, first, count - first))) << first;
  }
  const float nan = NAN;
  float of_nan = 0;
  GetParam()->gelu(&nan, 1, &of_nan);
  EXPECT_TRUE(std::isnan(of_nan));
}

// The wrappers: with kernels, and as a trained network goes without them.
TEST(Modulation, IsTheSameWithAndWithoutGradients) {
  const at::Tensor m = at::randn({2, 60}), x = at::randn({2, 5, 20}), update = at::randn({2, 5, 20}), weight = at::randn({10});
  const at::Tensor shift = m.narrow(1, 0, 20), scale = m.narrow(1, 20, 20), q = at::randn({2, 5, 60}).narrow(2, 20, 20);
  const at::Tensor trained = x.clone().requires_grad_(true), trained_q = q.clone().requires_grad_(true);
  EXPECT_TRUE(RelativelyClose(ModulatedNorm(x, shift, scale, 1e-6), ModulatedNorm(trained, shift, scale, 1e-6).detach(), 1e-6));
  EXPECT_TRUE(RelativelyClose(GatedAdd(x, shift, update), GatedAdd(trained, shift, update).detach(), 1e-6));
  EXPECT_TRUE(RelativelyClose(HeadNorm(q, weight, 2, 1e-6), HeadNorm(trained_q, weight, 2, 1e-6).detach(), 1e-6));
  EXPECT_TRUE(RelativelyClose(Gelu(x, "tanh"), Gelu(trained, "tanh").detach(), 1e-6));
  EXPECT_TRUE(ModulatedNorm(trained, shift, scale, 1e-6).requires_grad());
  EXPECT_TRUE(Gelu(trained, "tanh").requires_grad());
}

TEST(PackedWeight, LeavesAloneWhatItCannotTake) {
  EXPECT_FALSE(PackedWeight(at::randn({3, 4}).requires_grad_(true)).defined());
  EXPECT_FALSE(PackedWeight(at::randn({3, 4}).to(at::kBFloat16)).defined());
  EXPECT_FALSE(PackedWeight(at::zeros({}).expand({1 << 30, 1 << 30})).defined());  // a checkpoint's placeholder
}

TEST(PackedWeight, RefusesOtherInputs) {
  const PackedWeight weight(at::randn({3, 4}));
  if (!weight.defined()) GTEST_SKIP() << "this machine has no kernels";
  EXPECT_THROW(weight.Multiply(at::randn({2, 5}), {}), c10::Error);
  EXPECT_THROW(weight.Multiply(at::randn({2, 4}).to(at::kDouble), {}), c10::Error);
  EXPECT_THROW(weight.Multiply(at::randn({2, 4}).requires_grad_(true), {}), c10::Error);
}

TEST(Linear, KeepsTheShapeAndTakesViews) {
  const at::Tensor weight = at::randn({3, 4}), bias = at::randn({3}), x = at::randn({2, 4, 5}).transpose(1, 2);
  EXPECT_TRUE(RelativelyClose(Linear(weight, bias)(x), at::linear(x, weight, bias), 1e-6));
}

}  // namespace
}  // namespace easel

#include "model/denoise.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "model/transformers/easel_dit.h"
#include "model/transformers/reference_dit.h"
#include "tests/testing/analytic_transformer.h"
#include "tests/testing/random_weights.h"

namespace easel {
namespace {

using ::testing::ElementsAre;

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

// A network and the means to make a row of its conditioning: what = 0 is the unconditional row.
struct Network {
  std::unique_ptr<Transformer> transformer;
  int64_t channels;
  std::function<Conditioning(int what)> condition;
};

constexpr int64_t kSize = 8, kClasses = 5, kContext = 24, kTokens = 9;

Conditioning TextRow(int what) {
  Conditioning row;
  row.text = at::randn({1, kTokens, kContext}, Generator(100 + what));
  row.text_mask = at::arange(kTokens).lt(2 + what % (kTokens - 2)).unsqueeze(0);
  row.pooled = at::randn({1, kContext}, Generator(200 + what));
  return row;
}

Conditioning LabelRow(int what) {
  Conditioning row;
  row.label = at::full({1}, (what + kClasses) % (kClasses + 1), at::kLong);  // 0: the null class
  return row;
}

Network MakeReferenceDit(ReferenceDitKind kind) {
  ReferenceDitParams params;
  params.kind = kind;
  params.img_size = kSize;
  params.patch_size = 2;
  params.in_channels = 4;
  params.embed_dim = 64;
  params.depth = 2;
  params.num_heads = 4;
  params.num_classes = kClasses;
  params.context_dim = kContext;
  RandomWeights weights(3);
  auto transformer = std::make_unique<ReferenceDit>(params, Weights(&weights));
  auto condition = [kind](int what) {
    if (kind == ReferenceDitKind::kUnconditional) return Conditioning{};
    if (kind == ReferenceDitKind::kClass) return LabelRow(what);
    Conditioning row = TextRow(what);
    row.pooled.reset();
    return row;
  };
  return {std::move(transformer), params.in_channels, condition};
}

Network MakeEaselDit() {
  EaselDiTParams params;
  params.img_size = kSize;
  params.embed_dim = 64;
  params.depth = 2;
  params.num_classes = kClasses;
  params.context_dim = kContext;
  RandomWeights weights(4);
  auto transformer = std::make_unique<EaselDiT>(params, Weights(&weights));
  auto condition = [](int what) {
    Conditioning row = TextRow(what);
    row.label = LabelRow(what).label;
    if (what % 3 == 0) {  // no words: a class, or nothing
      row.text_mask.fill_(false);
      row.text.zero_();
      row.pooled.zero_();
    }
    return row;
  };
  return {std::move(transformer), params.in_channels, condition};
}

Network MakeNetwork(const std::string& name) {
  if (name == "DiT") return MakeReferenceDit(ReferenceDitKind::kUnconditional);
  if (name == "ConditionalDiT") return MakeReferenceDit(ReferenceDitKind::kClass);
  if (name == "TextConditionalDiT") return MakeReferenceDit(ReferenceDitKind::kText);
  return MakeEaselDit();
}

// `count` generations of every sort: guided, conditional only, unconditional only; at different times.
class Mix {
 public:
  Mix(const Network& network, int count, uint64_t seed) {
    for (int i = 0; i < count; ++i) conditions_.push_back(network.condition(1 + i));
    null_ = network.condition(0);
    for (int i = 0; i < count; ++i) {
      DenoiseInput input;
      input.input.latent = at::randn({network.channels, kSize, kSize}, Generator(seed + i));
      input.input.time = 1 - 0.09f * i;
      input.guidance = {.scale = i % 3 == 0 ? 3.0 + i : (i % 3 == 1 ? 1.0 : 0.0),
                        .rescale = i == 0 ? 0.5 : 0};
      if (input.guidance.uses_conditional()) input.conditional = &conditions_[i];
      if (input.guidance.uses_unconditional()) input.unconditional = &null_;
      inputs_.push_back(input);
    }
  }
  const std::vector<DenoiseInput>& inputs() const { return inputs_; }

 private:
  std::vector<Conditioning> conditions_;
  Conditioning null_;
  std::vector<DenoiseInput> inputs_;
};

class EveryNetwork : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  Network network_ = MakeNetwork(GetParam());
};

TEST_P(EveryNetwork, APredictionHasTheSameBitsAloneInAnyBatchAndInAnyChunks) {
  Mix mix(network_, 9, 50);
  std::vector<at::Tensor> alone;
  for (const DenoiseInput& input : mix.inputs()) alone.push_back(Denoise(*network_.transformer, {input})[0]);
  for (int begin = 0; begin < 9; begin += 2) {
    for (int end = begin + 1; end <= 9; ++end) {
      std::vector<DenoiseInput> inputs(mix.inputs().begin() + begin, mix.inputs().begin() + end);
      for (int chunks : {1, 2, 3}) {
        std::vector<at::Tensor> together = Denoise(*network_.transformer, inputs, chunks);
        ASSERT_EQ(together.size(), inputs.size());
        for (size_t i = 0; i < inputs.size(); ++i) {
          ASSERT_TRUE(at::equal(together[i], alone[begin + i]))
              << "input " << begin + i << " of [" << begin << ", " << end << ") in " << chunks << " chunks";
        }
      }
    }
  }
}

TEST_P(EveryNetwork, DifferentGenerationsGetDifferentPredictions) {
  Mix mix(network_, 3, 50);
  std::vector<at::Tensor> predictions = Denoise(*network_.transformer, mix.inputs());
  EXPECT_FALSE(at::allclose(predictions[0], predictions[1], 1e-2, 1e-2));
  EXPECT_FALSE(at::allclose(predictions[1], predictions[2], 1e-2, 1e-2));
}

INSTANTIATE_TEST_SUITE_P(Networks, EveryNetwork,
                         ::testing::Values("DiT", "ConditionalDiT", "TextConditionalDiT", "EaselDiT"),
                         [](const auto& info) { return info.param; });

Conditioning Colour(float r, float g, float b) {
  Conditioning row;
  row.pooled = at::tensor({r, g, b}).unsqueeze(0);
  return row;
}

TEST(Denoise, GuidesEachGenerationByItsOwnScale) {
  const Conditioning one = Colour(1, 1, 1), zero = Colour(0, 0, 0);
  const at::Tensor latent = at::zeros({3, 2, 2});
  std::vector<DenoiseInput> inputs = {{{latent, 0.5f}, &one, &zero, {.scale = 4}},
                                      {{latent, 0.5f}, &one, nullptr, {.scale = 1}},
                                      {{latent, 0.5f}, nullptr, &one, {.scale = 0}},
                                      {{latent, 0.25f}, &one, &zero, {.scale = -1}}};
  EXPECT_EQ(RowCount(inputs), 6);
  std::vector<at::Tensor> predictions = Denoise(AnalyticTransformer(), inputs, 2);
  std::vector<float> values;
  for (const at::Tensor& prediction : predictions) values.push_back(prediction[0][0][0].item<float>());
  EXPECT_THAT(values, ElementsAre(-8, -2, -2, 4));  // −scale · 1 / t
}

TEST(Denoise, RunsItsChunksThroughForEach) {
  const Conditioning one = Colour(1, 1, 1);
  std::vector<DenoiseInput> inputs(3, {{at::zeros({3, 2, 2}), 0.5f}, &one, nullptr, {}});
  std::vector<int> asked;
  ForEach on_threads = [&asked](int n, const std::function<void(int)>& task) {
    asked.push_back(n);
    std::vector<std::thread> threads;
    for (int i = n - 1; i >= 0; --i) threads.emplace_back(task, i);
    for (std::thread& thread : threads) thread.join();
  };
  for (int chunks : {1, 2, 3, 8}) {
    for (const at::Tensor& prediction : Denoise(AnalyticTransformer(), inputs, chunks, on_threads)) {
      EXPECT_EQ(prediction[0][0][0].item<float>(), -2);
    }
  }
  EXPECT_THAT(asked, ElementsAre(1, 2, 3, 3));  // never more chunks than rows
}

TEST(Denoise, PredictionsAreFloat32WhateverTheNetworkComputesIn) {
  Conditioning one = Colour(1, 1, 1);
  one.pooled = one.pooled.to(at::kBFloat16);
  std::vector<DenoiseInput> inputs = {{{at::zeros({3, 2, 2}, at::kBFloat16), 0.5f}, &one, nullptr, {}}};
  EXPECT_EQ(Denoise(AnalyticTransformer(), inputs)[0].scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace easel

// DiT: against diffusers (tests/golden/parts/diffusion_transformers.py), alone and in a batch, and bad
// configs.
#include "model/transformers/dit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/golden_network.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/row_bits.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

void ExpectGolden(const std::string& name) {
  const auto network = LoadGoldenNetwork<DiT, DiTParams>("diffusion_transformers/" + name);
  ASSERT_TRUE(network.ok()) << network.status();
  const GoldenTensors golden = LoadGolden("diffusion_transformers/" + name + ".safetensors");
  Conditioning conditioning;
  conditioning.label = golden->Get("label");
  at::NoGradGuard no_grad;
  const at::Tensor prediction = (*network)->Forward(golden->Get("latent"), golden->Get("time"), conditioning);
  const at::Tensor expected = golden->Get("prediction");
  ASSERT_EQ(prediction.sizes(), expected.sizes());
  for (int64_t row = 0; row < expected.size(0); ++row) {
    EXPECT_TRUE(RelativelyClose(prediction[row], expected[row], 1e-5)) << name << ", row " << row;
  }
}

TEST(DiTGolden, LearnedVarianceIsCutOff) { ExpectGolden("dit"); }
TEST(DiTGolden, OlderClassNameAndAnotherSize) { ExpectGolden("dit_old_class"); }
TEST(DiTGolden, FaintStatesShowTheNormsEps) { ExpectGolden("dit_faint"); }

DiTParams Params(int64_t heads, int64_t head_dim, int64_t sample_size) {
  DiTParams params;
  params.num_attention_heads = heads;
  params.attention_head_dim = head_dim;
  params.sample_size = sample_size;
  params.out_channels = 2 * params.in_channels;
  params.num_layers = 2;
  params.num_embeds_ada_norm = 5;
  return params;
}

Conditioning Labels(const DiTParams& params, int64_t rows) {
  Conditioning conditioning;
  conditioning.label = at::arange(rows, at::kLong).remainder(params.num_embeds_ada_norm + 1);
  return conditioning;
}

void RowsKeepTheirBits(const DiTParams& params, int64_t rows) {
  RandomWeights weights(1);
  const DiT network(params, Weights(&weights));
  const at::Tensor latent = at::randn({rows, params.in_channels, params.sample_size, params.sample_size});
  const at::Tensor time = at::randint(1000, {rows}).to(at::kFloat);
  const Conditioning all = Labels(params, rows);
  auto forward = [&](int64_t first, int64_t n) {
    Conditioning some;
    some.label = all.label.narrow(0, first, n);
    return network.Forward(latent.narrow(0, first, n), time.narrow(0, first, n), some);
  };
  ExpectRowsKeepTheirBits(rows, forward);
}

// 9 patches: fewer rows than a product needs for steady bits.
TEST(DiTRows, Tiny) { RowsKeepTheirBits(Params(2, 8, 6), /*rows=*/9); }
TEST(DiTRows, AsWideAsXl) { RowsKeepTheirBits(Params(16, 72, 8), /*rows=*/5); }

// The reference returns a square whatever it was given.
TEST(DiTForward, SidesMayDiffer) {
  at::NoGradGuard no_grad;
  RandomWeights weights(1);
  const DiTParams params = Params(2, 8, 6);
  const DiT network(params, Weights(&weights));
  const at::Tensor prediction =
      network.Forward(at::randn({2, 4, 4, 10}), at::tensor({999.0f, 3.0f}), Labels(params, 2));
  EXPECT_EQ(prediction.sizes(), at::IntArrayRef({2, 4, 4, 10}));
}

TEST(DiTForward, SidesOfHalfAPatchThrow) {
  at::NoGradGuard no_grad;
  RandomWeights weights(1);
  const DiTParams params = Params(2, 8, 6);
  const DiT network(params, Weights(&weights));
  EXPECT_THROW(network.Forward(at::randn({1, 4, 6, 5}), at::tensor({999.0f}), Labels(params, 1)), c10::Error);
}

TEST(DiTForward, Bfloat16IsNearFloat32) {
  at::NoGradGuard no_grad;
  const DiTParams params = Params(2, 8, 6);
  RandomWeights weights(1);
  const DiT network(params, Weights(&weights));
  struct Narrow : RandomWeights {
    using RandomWeights::RandomWeights;
    at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override {
      return RandomWeights::Take(name, shape, init).to(at::kBFloat16);
    }
  } narrow_weights(1);
  const DiT narrow(params, Weights(&narrow_weights));
  const at::Tensor latent = at::randn({3, 4, 6, 6}), time = at::tensor({999.0f, 500.0f, 3.0f});
  const at::Tensor prediction = narrow.Forward(latent.to(at::kBFloat16), time, Labels(params, 3));
  EXPECT_EQ(prediction.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(RelativelyClose(prediction, network.Forward(latent, time, Labels(params, 3)), 0.05));
}

absl::StatusOr<DiTParams> Read(const std::string& text) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "transformer/config.json");
  if (!config.ok()) return config.status();
  return DiTParams::FromConfig(*config);
}

TEST(DiTParams, AbsentKeysAreTheClasssDefaults) {
  const auto params = Read("{}");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->dim(), 1152);
  EXPECT_EQ(params->num_attention_heads, 16);
  EXPECT_EQ(params->in_channels, 4);
  EXPECT_EQ(params->out_channels, 4);
  EXPECT_EQ(params->num_layers, 28);
  EXPECT_EQ(params->sample_size, 32);
  EXPECT_EQ(params->patch_size, 2);
  EXPECT_EQ(params->activation_fn, "gelu-approximate");
  EXPECT_EQ(params->norm_eps, 1e-5);
  EXPECT_EQ(params->num_embeds_ada_norm, 1000);
}

TEST(DiTParams, OutChannelsFollowInChannelsUnlessTheySay) {
  EXPECT_EQ(Read(R"({"in_channels": 16})")->out_channels, 16);
  EXPECT_EQ(Read(R"({"in_channels": 16, "out_channels": null})")->out_channels, 16);
  EXPECT_EQ(Read(R"({"in_channels": 16, "out_channels": 32})")->out_channels, 32);
}

TEST(DiTParams, FaultsNameFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"num_attention_heads", "0"},
      {"num_attention_heads", "9000000000000000000"},
      {"attention_head_dim", "-8"},
      {"attention_head_dim", "1.5"},
      {"in_channels", "0"},
      {"in_channels", "\"4\""},
      {"out_channels", "12"},
      {"out_channels", "2"},
      {"num_layers", "0"},
      {"num_layers", "1000000"},
      {"sample_size", "31"},
      {"sample_size", "0"},
      {"patch_size", "0"},
      {"patch_size", "65"},
      {"activation_fn", "\"geglu\""},
      {"norm_eps", "0"},
      {"norm_eps", "NaN"},
      {"norm_type", "\"ada_norm_single\""},
      {"attention_bias", "false"},
      {"norm_elementwise_affine", "true"},
      {"num_embeds_ada_norm", "0"},
      {"num_embeds_ada_norm", "10000000"},
  };
  for (const auto& [key, value] : cases) {
    const auto params = Read("{\"" + std::string(key) + "\": " + value + "}");
    ASSERT_FALSE(params.ok()) << key << " " << value;
    EXPECT_THAT(std::string(params.status().message()), HasSubstr("transformer/config.json"));
    EXPECT_THAT(std::string(params.status().message()), HasSubstr(key)) << value;
  }
  EXPECT_FALSE(Read(R"({"num_attention_heads": 3, "attention_head_dim": 3})").ok());  // 9 wide: no four parts
}

}  // namespace
}  // namespace easel

// Flux: against diffusers (tests/golden/parts/joint_transformers.py), alone and in a batch, and bad configs.
#include "model/transformers/flux.h"

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

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Compares with the golden tensors `kind` + size.
void ExpectGolden(const std::string& name, const std::vector<std::string>& sizes,
                  at::ScalarType dtype = at::kFloat, const std::string& kind = "prediction_",
                  double tolerance = 1e-5) {
  const auto network = LoadGoldenNetwork<Flux, FluxParams>("joint_transformers/" + name, dtype);
  ASSERT_TRUE(network.ok()) << network.status();
  const GoldenTensors golden = LoadGolden("joint_transformers/" + name + ".safetensors");
  Conditioning conditioning;
  conditioning.text = golden->Get("text").to(dtype);
  conditioning.pooled = golden->Get("pooled").to(dtype);
  if (golden->Has("guidance")) conditioning.guidance = golden->Get("guidance");
  at::NoGradGuard no_grad;
  for (const std::string& size : sizes) {
    const at::Tensor latent = golden->Get("latent_" + size), expected = golden->Get(kind + size);
    const at::Tensor prediction = (*network)->Forward(latent, golden->Get("time"), conditioning);
    EXPECT_EQ(prediction.scalar_type(), dtype);
    for (int64_t row = 0; row < latent.size(0); ++row) {
      EXPECT_TRUE(RelativelyClose(prediction[row], expected[row], tolerance))
          << name << ", " << size << ", row " << row;
    }
  }
}

TEST(FluxGolden, Schnell) { ExpectGolden("flux_schnell", {"8x8", "4x14"}); }
TEST(FluxGolden, Dev) { ExpectGolden("flux_dev", {"6x6", "12x2"}); }
// In bfloat16 the time and the guidance scale are rounded before they are embedded, which shows.
TEST(FluxGolden, BFloat16) {
  ExpectGolden("flux_schnell", {"8x8"}, at::kBFloat16, "bfloat16_", 0.05);
  ExpectGolden("flux_dev", {"6x6"}, at::kBFloat16, "bfloat16_", 0.05);
}
TEST(FluxGolden, Float16) { ExpectGolden("flux_schnell", {"8x8"}, at::kHalf, "prediction_", 0.05); }

// Rows of random inputs alone and in batches, at every place in them.
void RowsKeepTheirBits(const FluxParams& params, int64_t height, int64_t width, int64_t tokens,
                             int64_t rows) {
  RandomWeights weights(1);
  const Flux network(params, Weights(&weights));
  const at::Tensor latent = at::randn({rows, params.in_channels / 4, height, width});
  const at::Tensor time = at::rand({rows});
  std::vector<Conditioning> conditionings(rows);
  for (Conditioning& conditioning : conditionings) {
    conditioning.text = at::randn({1, tokens, params.joint_attention_dim});
    conditioning.pooled = at::randn({1, params.pooled_projection_dim});
    conditioning.guidance = at::rand({1}) * 5;
  }
  auto forward = [&](int64_t first, int64_t count) {
    const auto begin = conditionings.begin() + first;
    return network.Forward(latent.narrow(0, first, count), time.narrow(0, first, count),
                           Concatenate({begin, begin + count}));
  };
  ExpectRowsKeepTheirBits(rows, forward);
}

FluxParams Tiny() {
  FluxParams params;
  params.in_channels = 12;
  params.num_layers = 2;
  params.num_single_layers = 2;
  params.attention_head_dim = 12;
  params.num_attention_heads = 2;
  params.joint_attention_dim = 20;
  params.pooled_projection_dim = 10;
  params.axes_dims_rope = {2, 4, 6};
  params.guidance_embeds = true;
  return params;
}

// 6 patches and 7 tokens: fewer rows than a product needs for steady bits.
TEST(FluxRows, Tiny) { RowsKeepTheirBits(Tiny(), 4, 6, /*tokens=*/7, /*rows=*/9); }

// Half as wide as published, whose first two blocks are 2 GB.
TEST(FluxRows, Wide) {
  FluxParams params;
  params.num_layers = 1;
  params.num_single_layers = 1;
  params.num_attention_heads = 12;
  params.guidance_embeds = true;
  RowsKeepTheirBits(params, 10, 12, /*tokens=*/21, /*rows=*/3);
}

TEST(Flux, TakesEvenSides) {
  RandomWeights weights(1);
  const Flux network(Tiny(), Weights(&weights));
  Conditioning conditioning;
  conditioning.text = at::zeros({1, 2, 20});
  conditioning.pooled = at::zeros({1, 10});
  conditioning.guidance = at::zeros({1});
  EXPECT_NO_THROW(network.Forward(at::zeros({1, 3, 2, Flux::kMaxSide}), at::zeros({1}), conditioning));
  EXPECT_THROW(network.Forward(at::zeros({1, 3, 2, Flux::kMaxSide + 2}), at::zeros({1}), conditioning),
               c10::Error);
  EXPECT_THROW(network.Forward(at::zeros({1, 3, 4, 5}), at::zeros({1}), conditioning), c10::Error);
}

absl::StatusOr<FluxParams> Read(const std::string& text) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "transformer/config.json");
  if (!config.ok()) return config.status();
  return FluxParams::FromConfig(*config);
}

TEST(FluxParams, AbsentKeysTakeTheClassDefaults) {
  const auto params = Read(R"({"patch_size": 1, "out_channels": null})");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->in_channels, 64);
  EXPECT_EQ(params->num_layers, 19);
  EXPECT_EQ(params->num_single_layers, 38);
  EXPECT_EQ(params->dim(), 3072);
  EXPECT_EQ(params->joint_attention_dim, 4096);
  EXPECT_EQ(params->pooled_projection_dim, 768);
  EXPECT_FALSE(params->guidance_embeds);
  EXPECT_THAT(params->axes_dims_rope, ElementsAre(16, 56, 56));
}

TEST(FluxParams, FaultsNameFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"in_channels": 0})", "in_channels"},
      {R"({"in_channels": 66})", "in_channels"},
      {R"({"in_channels": 384, "out_channels": 64})", "out_channels"},
      {R"({"patch_size": 2})", "patch_size"},
      {R"({"num_layers": -1})", "num_layers"},
      {R"({"num_single_layers": 1000000})", "num_single_layers"},
      {R"({"attention_head_dim": 0})", "attention_head_dim"},
      {R"({"num_attention_heads": 1000})", "attention_head_dim"},
      {R"({"num_attention_heads": "24"})", "num_attention_heads"},
      {R"({"joint_attention_dim": 0})", "joint_attention_dim"},
      {R"({"pooled_projection_dim": 0})", "pooled_projection_dim"},
      {R"({"guidance_embeds": 1})", "guidance_embeds"},
      {R"({"attention_head_dim": 64})", "axes_dims_rope"},
      {R"({"axes_dims_rope": [64, 64]})", "axes_dims_rope"},
      {R"({"axes_dims_rope": [15, 57, 56]})", "axes_dims_rope"},
      {R"({"axes_dims_rope": [-16, 72, 72]})", "axes_dims_rope"},
      {R"({"axes_dims_rope": [16, 56, 58]})", "axes_dims_rope"},
      {R"({"axes_dims_rope": [9223372036854775806, 2, 130]})", "axes_dims_rope"},
  };
  for (const auto& [text, key] : cases) {
    const auto params = Read(text);
    ASSERT_FALSE(params.ok()) << text;
    EXPECT_THAT(std::string(params.status().message()), HasSubstr("transformer/config.json"));
    EXPECT_THAT(std::string(params.status().message()), HasSubstr(key)) << text;
  }
}

}  // namespace
}  // namespace easel

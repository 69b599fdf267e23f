// MMDiT: against diffusers (tests/golden/parts/joint_transformers.py), alone and in a batch, and bad configs.
#include "model/transformers/mmdit.h"

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

// Compares with the golden tensors `kind` + size.
void ExpectGolden(const std::string& name, const std::vector<std::string>& sizes,
                  at::ScalarType dtype = at::kFloat, const std::string& kind = "prediction_",
                  double tolerance = 1e-5) {
  const auto network = LoadGoldenNetwork<MMDiT, MMDiTParams>("joint_transformers/" + name, dtype);
  ASSERT_TRUE(network.ok()) << network.status();
  const GoldenTensors golden = LoadGolden("joint_transformers/" + name + ".safetensors");
  Conditioning conditioning;
  conditioning.text = golden->Get("text").to(dtype);
  conditioning.pooled = golden->Get("pooled").to(dtype);
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

TEST(MMDiTGolden, StableDiffusion3) { ExpectGolden("sd3", {"8x8", "4x10", "14x2"}); }
TEST(MMDiTGolden, QkNorm) { ExpectGolden("sd3_qk_norm", {"6x6", "5x2"}); }
TEST(MMDiTGolden, DualAttention) { ExpectGolden("sd3_dual", {"12x12", "6x15"}); }
TEST(MMDiTGolden, DualAttentionWithoutQkNorm) { ExpectGolden("sd3_dual_no_qk_norm", {"6x8"}); }
TEST(MMDiTGolden, BFloat16) {
  ExpectGolden("sd3", {"8x8"}, at::kBFloat16, "bfloat16_", 0.05);
  ExpectGolden("sd3_dual", {"12x12"}, at::kBFloat16, "bfloat16_", 0.05);
}
TEST(MMDiTGolden, Float16) { ExpectGolden("sd3_dual", {"12x12"}, at::kHalf, "prediction_", 0.02); }

// Rows of random inputs alone and in batches, at every place in them.
void RowsKeepTheirBits(const MMDiTParams& params, int64_t height, int64_t width, int64_t tokens,
                             int64_t rows) {
  RandomWeights weights(1);
  const MMDiT network(params, Weights(&weights));
  const at::Tensor latent = at::randn({rows, params.in_channels, height, width});
  const at::Tensor time = at::rand({rows}) * 1000;
  const at::Tensor text = at::randn({rows, tokens, params.joint_attention_dim});
  const at::Tensor pooled = at::randn({rows, params.pooled_projection_dim});
  auto forward = [&](int64_t first, int64_t count) {
    auto some = [&](const at::Tensor& x) { return x.narrow(0, first, count); };
    Conditioning conditioning;
    conditioning.text = some(text);
    conditioning.pooled = some(pooled);
    return network.Forward(some(latent), some(time), conditioning);
  };
  ExpectRowsKeepTheirBits(rows, forward);
}

MMDiTParams Tiny() {
  MMDiTParams params;
  params.in_channels = 3;
  params.num_layers = 3;
  params.attention_head_dim = 12;
  params.num_attention_heads = 2;
  params.joint_attention_dim = 20;
  params.pooled_projection_dim = 10;
  params.pos_embed_max_size = 5;
  params.dual_attention_layers = {0, 2};
  return params;
}

// 6 patches and 7 tokens: fewer rows than a product needs for steady bits.
TEST(MMDiTRows, Tiny) { RowsKeepTheirBits(Tiny(), 4, 6, /*tokens=*/7, /*rows=*/9); }
TEST(MMDiTRows, TinyWithQkNorm) {
  MMDiTParams params = Tiny();
  params.qk_norm = QkNorm::kRms;
  RowsKeepTheirBits(params, 4, 6, /*tokens=*/7, /*rows=*/9);
}
TEST(MMDiTRows, AsWideAsStableDiffusion35Medium) {
  MMDiTParams params;
  params.num_layers = 2;
  params.num_attention_heads = 24;
  params.pos_embed_max_size = 16;
  params.dual_attention_layers = {0};
  params.qk_norm = QkNorm::kRms;
  RowsKeepTheirBits(params, 10, 12, /*tokens=*/21, /*rows=*/3);
}

TEST(MMDiT, TakesSidesThatItHasPositionsFor) {
  RandomWeights weights(1);
  const MMDiT network(Tiny(), Weights(&weights));
  Conditioning conditioning;
  conditioning.text = at::zeros({1, 2, 20});
  conditioning.pooled = at::zeros({1, 10});
  EXPECT_NO_THROW(network.Forward(at::zeros({1, 3, 10, 2}), at::zeros({1}), conditioning));
  EXPECT_THROW(network.Forward(at::zeros({1, 3, 12, 2}), at::zeros({1}), conditioning), c10::Error);
  EXPECT_THROW(network.Forward(at::zeros({1, 3, 2, 12}), at::zeros({1}), conditioning), c10::Error);
  EXPECT_THROW(network.Forward(at::zeros({1, 3, 4, 5}), at::zeros({1}), conditioning), c10::Error);
}

absl::StatusOr<MMDiTParams> Read(const std::string& text) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "transformer/config.json");
  if (!config.ok()) return config.status();
  return MMDiTParams::FromConfig(*config);
}

TEST(MMDiTParams, AbsentKeysTakeTheClassDefaults) {
  const auto params = Read("{}");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->sample_size, 128);
  EXPECT_EQ(params->patch_size, 2);
  EXPECT_EQ(params->in_channels, 16);
  EXPECT_EQ(params->num_layers, 18);
  EXPECT_EQ(params->dim(), 1152);
  EXPECT_EQ(params->joint_attention_dim, 4096);
  EXPECT_EQ(params->pooled_projection_dim, 2048);
  EXPECT_EQ(params->pos_embed_max_size, 96);
  EXPECT_THAT(params->dual_attention_layers, testing::IsEmpty());
  EXPECT_EQ(params->qk_norm, QkNorm::kNone);
}

TEST(MMDiTParams, OutChannelsOfNullAreInChannels) {
  EXPECT_TRUE(Read(R"({"in_channels": 8, "out_channels": null})").ok());
  EXPECT_THAT(std::string(Read(R"({"in_channels": 8})").status().message()), HasSubstr("out_channels"));
}

TEST(MMDiTParams, FaultsNameFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"sample_size": 0})", "sample_size"},
      {R"({"patch_size": 0})", "patch_size"},
      {R"({"patch_size": 65})", "patch_size"},
      {R"({"in_channels": "16"})", "in_channels"},
      {R"({"num_layers": 0})", "num_layers"},
      {R"({"num_layers": 1000000})", "num_layers"},
      {R"({"attention_head_dim": -64})", "attention_head_dim"},
      {R"({"attention_head_dim": 1024, "num_attention_heads": 1024})", "attention_head_dim"},
      {R"({"num_attention_heads": 2.5})", "num_attention_heads"},
      {R"({"num_attention_heads": 24})", "caption_projection_dim"},
      {R"({"caption_projection_dim": 1536})", "caption_projection_dim"},
      {R"({"joint_attention_dim": 0})", "joint_attention_dim"},
      {R"({"pooled_projection_dim": 0})", "pooled_projection_dim"},
      {R"({"out_channels": 32})", "out_channels"},
      {R"({"pos_embed_max_size": null})", "pos_embed_max_size"},
      {R"({"pos_embed_max_size": 100000})", "pos_embed_max_size"},
      {R"({"dual_attention_layers": 3})", "dual_attention_layers"},
      {R"({"qk_norm": "layer_norm"})", "qk_norm"},
      {R"({"qk_norm": true})", "qk_norm"},
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

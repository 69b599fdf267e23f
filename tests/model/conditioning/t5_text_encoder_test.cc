// T5TextEncoder against transformers' T5EncoderModel (tests/golden/parts/t5_encoder.py), its rows, its configs.
#include "model/conditioning/t5_text_encoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/testing/golden_network.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/row_bits.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

void ExpectGolden(const std::string& name) {
  const auto encoder = LoadGoldenNetwork<T5TextEncoder, T5TextParams>("t5_encoder/" + name, at::kFloat);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const GoldenTensors golden = LoadGolden("t5_encoder/" + name + ".safetensors");
  const at::Tensor ids = golden->Get("ids").to(at::kLong), mask = golden->Get("mask").to(at::kBool);

  // A forward for training is another one: it pads no products.
  const at::Tensor training = (*encoder)->Forward(ids, mask).hidden;
  at::NoGradGuard no_grad;
  const TextFeatures masked = (*encoder)->Forward(ids, mask);
  const TextFeatures unmasked = (*encoder)->Forward(ids, {});
  for (int64_t row = 0; row < ids.size(0); ++row) {
    EXPECT_TRUE(RelativelyClose(masked.hidden[row], golden->Get("hidden")[row], 1e-5)) << row;
    EXPECT_TRUE(RelativelyClose(training[row], golden->Get("hidden")[row], 1e-5)) << row;
    EXPECT_TRUE(RelativelyClose(unmasked.hidden[row], golden->Get("hidden_unmasked")[row], 1e-5)) << row;
  }
  EXPECT_FALSE(masked.pooled.defined());
  EXPECT_FALSE(masked.penultimate.defined());
}

TEST(T5TextEncoderGolden, Relu) { ExpectGolden("relu"); }
TEST(T5TextEncoderGolden, GatedGeluAndFewBuckets) { ExpectGolden("gated_gelu"); }
TEST(T5TextEncoderGolden, GatedByItsOwnKeysAndTwoTokenTables) { ExpectGolden("gated_relu_overflow"); }

// Here the reference rounds too, so that what is compared is where it rounds: a network that is rounded elsewhere
// (`wo` in float16, infinities not clamped) is off by far more, or not finite.
void ExpectHalfGolden(const std::string& name, c10::ScalarType dtype, const std::string& key, double tolerance) {
  const auto encoder = LoadGoldenNetwork<T5TextEncoder, T5TextParams>("t5_encoder/" + name, dtype);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const GoldenTensors golden = LoadGolden("t5_encoder/" + name + ".safetensors");
  at::NoGradGuard no_grad;
  const at::Tensor hidden =
      (*encoder)->Forward(golden->Get("ids").to(at::kLong), golden->Get("mask").to(at::kBool)).hidden;
  EXPECT_EQ(hidden.scalar_type(), dtype);
  for (int64_t row = 0; row < hidden.size(0); ++row) {
    EXPECT_TRUE(RelativelyClose(hidden[row], golden->Get(key)[row], tolerance)) << name << ", row " << row;
  }
}

// With relu the reference rounds where we do. Its gelu_new rounds after each of seven operations, ours once.
TEST(T5TextEncoderGolden, Float16) {
  ExpectHalfGolden("relu", at::kHalf, "float16.hidden", 1e-3);
  ExpectHalfGolden("gated_gelu", at::kHalf, "float16.hidden", 3e-3);
}
TEST(T5TextEncoderGolden, Float16OverflowsAsTheReference) {
  ExpectHalfGolden("gated_relu_overflow", at::kHalf, "float16.hidden", 1e-3);
}
TEST(T5TextEncoderGolden, BFloat16) {
  ExpectHalfGolden("relu", at::kBFloat16, "bfloat16.hidden", 8e-3);
  ExpectHalfGolden("gated_gelu", at::kBFloat16, "bfloat16.hidden", 2.4e-2);
}

TEST(T5RelativePositionBucket, IsTheReferencesForEveryDistance) {
  const GoldenTensors golden = LoadGolden("t5_encoder/buckets.safetensors");
  const at::Tensor distance = at::arange(-600, 601, at::kLong);
  for (const auto& [buckets, farthest] : {std::pair(32, 128), {12, 9}, {33, 100}, {4, 2}, {128, 1000}}) {
    const std::string key = std::to_string(buckets) + "_" + std::to_string(farthest);
    EXPECT_TRUE(SameBytes(T5RelativePositionBucket(distance, buckets, farthest), golden->Get(key).to(at::kLong)))
        << key;
  }
}

T5TextParams SmallParams() {
  T5TextParams params;
  params.vocab_size = 50;
  params.d_model = 28;
  params.d_kv = 12;  // times 3 heads is not d_model
  params.d_ff = 44;
  params.num_layers = 2;
  params.num_heads = 3;
  params.dense_act_fn = "gelu_new";
  params.is_gated_act = true;
  return params;
}

void RowsKeepTheirBits(const T5TextParams& params, int64_t length, int64_t rows, bool masked) {
  RandomWeights weights(1);
  const T5TextEncoder encoder(params, Weights(&weights));
  const at::Tensor ids = at::randint(params.vocab_size, {rows, length}, at::kLong);
  const at::Tensor mask = masked ? at::rand({rows, length}).gt(0.3) : at::Tensor();
  auto forward = [&](int64_t first, int64_t count) {
    return encoder.Forward(ids.narrow(0, first, count), masked ? mask.narrow(0, first, count) : mask).hidden;
  };
  ExpectRowsKeepTheirBits(rows, forward);
}

TEST(T5TextEncoderRows, Tiny) {
  for (const bool masked : {false, true}) {
    RowsKeepTheirBits(SmallParams(), /*length=*/3, /*rows=*/9, masked);
    RowsKeepTheirBits(SmallParams(), /*length=*/21, /*rows=*/5, masked);
  }
}

TEST(T5TextEncoderRows, TinyRelu) {
  T5TextParams params = SmallParams();
  params.dense_act_fn = "relu";
  params.is_gated_act = false;
  RowsKeepTheirBits(params, /*length=*/7, /*rows=*/5, /*masked=*/true);
}

TEST(T5TextEncoderRows, AsWideAsPublished) {
  T5TextParams params = SmallParams();
  params.d_model = 4096;
  params.d_kv = 64;
  params.num_heads = 4;
  params.d_ff = 1024;
  params.num_layers = 1;
  RowsKeepTheirBits(params, /*length=*/120, /*rows=*/3, /*masked=*/true);
}

TEST(T5TextEncoder, PromptsMayBeLong) {
  RandomWeights weights(2);
  const T5TextEncoder encoder(SmallParams(), Weights(&weights));
  at::NoGradGuard no_grad;
  EXPECT_GE(encoder.max_length(), 512);
  EXPECT_EQ(encoder.Forward(at::randint(50, {1, 512}, at::kLong), {}).hidden.sizes(), (at::IntArrayRef{1, 512, 28}));
}

TEST(T5TextEncoder, WhatIsPaddingChangesNothing) {
  RandomWeights weights(3);
  const T5TextEncoder encoder(SmallParams(), Weights(&weights));
  at::NoGradGuard no_grad;
  const at::Tensor ids = at::randint(50, {1, 9}, at::kLong), mask = at::arange(9).lt(6).unsqueeze(0);
  at::Tensor other = ids.clone();
  other[0].narrow(0, 6, 3).add_(1).remainder_(50);
  EXPECT_TRUE(SameBytes(encoder.Forward(ids, mask).hidden.narrow(1, 0, 6),
                        encoder.Forward(other, mask).hidden.narrow(1, 0, 6)));
}

TEST(T5TextEncoder, SendsGradientsToEveryTensor) {
  for (const bool gated : {false, true}) {
    T5TextParams params = SmallParams();
    params.is_gated_act = gated;
    RandomWeights weights(4, RandomWeights::Trained::kYes);
    const T5TextEncoder encoder(params, Weights(&weights));
    encoder.Forward(at::randint(50, {3, 24}, at::kLong), {}).hidden.square().sum().backward();
    for (const auto& [name, t] : weights.taken()) {
      ASSERT_TRUE(t.grad().defined()) << name;
      EXPECT_GT(t.grad().abs().max().item<double>(), 0) << name;
    }
  }
}

absl::StatusOr<T5TextParams> Read(const std::string& json) {
  auto config = JsonObject::Parse(json, "text_encoder_3/config.json");
  if (!config.ok()) return config.status();
  return T5TextParams::FromConfig(*config);
}

TEST(T5TextParams, HasTheDefaultsOfTheClass) {
  const auto params = Read(R"({"model_type": "t5", "is_decoder": false})");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->vocab_size, 32128);
  EXPECT_EQ(params->d_model, 512);
  EXPECT_EQ(params->d_kv, 64);
  EXPECT_EQ(params->d_ff, 2048);
  EXPECT_EQ(params->num_layers, 6);
  EXPECT_EQ(params->num_heads, 8);
  EXPECT_EQ(params->relative_attention_num_buckets, 32);
  EXPECT_EQ(params->relative_attention_max_distance, 128);
  EXPECT_EQ(params->layer_norm_epsilon, 1e-6);
  EXPECT_EQ(params->dense_act_fn, "relu");
  EXPECT_FALSE(params->is_gated_act);
}

TEST(T5TextParams, DerivesTheActivation) {
  const auto gelu = Read(R"({"feed_forward_proj": "gated-gelu"})");
  ASSERT_TRUE(gelu.ok()) << gelu.status();
  EXPECT_EQ(gelu->dense_act_fn, "gelu_new");
  EXPECT_TRUE(gelu->is_gated_act);
  const auto relu = Read(R"({"feed_forward_proj": "gated-relu"})");
  ASSERT_TRUE(relu.ok()) << relu.status();
  EXPECT_EQ(relu->dense_act_fn, "relu");
  EXPECT_TRUE(relu->is_gated_act);
}

TEST(T5TextParams, FaultsNameFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"vocab_size", "0"},
      {"d_model", "-1"},
      {"d_kv", "\"64\""},
      {"d_ff", "1000000000"},
      {"num_layers", "0"},
      {"num_heads", "1.5"},
      {"relative_attention_num_buckets", "3"},
      {"relative_attention_max_distance", "8"},
      {"relative_attention_max_distance", "100000"},
      {"layer_norm_epsilon", "\"small\""},
      {"feed_forward_proj", "\"gated-silu\""},
      {"feed_forward_proj", "\"gelu\""},
      {"dense_act_fn", "\"gelu\""},
      {"is_gated_act", "1"},
      {"is_decoder", "true"},
      {"hidden_size", "512"},
      {"num_hidden_layers", "6"},
      {"num_attention_heads", "8"},
      {"head_dim", "64"},
  };
  for (const auto& [key, value] : cases) {
    const auto params = Read("{\"" + std::string(key) + "\": " + value + "}");
    ASSERT_FALSE(params.ok()) << key << " " << value;
    EXPECT_THAT(params.status().message(), HasSubstr("text_encoder_3/config.json"));
    EXPECT_THAT(params.status().message(), HasSubstr(key));
  }
}

}  // namespace
}  // namespace easel

// ClipTextEncoder against transformers' CLIPTextModel (tests/golden/parts/text.py), its gradients, its rows,
// its configs.
#include "model/conditioning/clip_text_encoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/io/checkpoint.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/row_bits.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/text/";

absl::StatusOr<std::unique_ptr<ClipTextEncoder>> Load(const std::string& directory) {
  absl::StatusOr<JsonObject> config = JsonObject::Open(directory + "/config.json");
  if (!config.ok()) return config.status();
  auto params = ClipTextParams::FromConfig(*config);
  if (!params.ok()) return params.status();
  auto checkpoint = Checkpoint::Open(directory, at::kCPU, at::kFloat);
  if (!checkpoint.ok()) return checkpoint.status();
  auto encoder = std::make_unique<ClipTextEncoder>(*params, Weights(checkpoint->get()));
  for (std::string_view name : kClipTextIgnoredTensors) (*checkpoint)->Ignore(name);
  if (absl::Status status = (*checkpoint)->Finish(); !status.ok()) return status;
  return encoder;
}

void ExpectGolden(const std::string& name) {
  const auto encoder = Load(kData + name);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const GoldenTensors golden = LoadGolden("text/" + name + ".safetensors");
  const at::Tensor ids = golden->Get("ids").to(at::kLong);
  const TextFeatures masked = (*encoder)->Forward(ids, golden->Get("mask").to(at::kBool));
  EXPECT_TRUE(RelativelyClose(masked.hidden, golden->Get("hidden"), 1e-5));
  EXPECT_TRUE(RelativelyClose(masked.pooled, golden->Get("pooled"), 1e-5));
  const TextFeatures unmasked = (*encoder)->Forward(ids, {});
  EXPECT_TRUE(RelativelyClose(unmasked.hidden, golden->Get("hidden_unmasked"), 1e-5));
  EXPECT_TRUE(RelativelyClose(unmasked.pooled, golden->Get("pooled_unmasked"), 1e-5));
}

TEST(ClipTextEncoderGolden, QuickGeluPooledAtTheLargestId) { ExpectGolden("quick_gelu_largest_id"); }
TEST(ClipTextEncoderGolden, GeluPooledAtTheFirstEndToken) { ExpectGolden("gelu_first_eos"); }

ClipTextParams SmallParams() {
  ClipTextParams params;
  params.vocab_size = 50;
  params.hidden_size = 32;
  params.intermediate_size = 64;
  params.num_hidden_layers = 2;
  params.num_attention_heads = 4;
  params.max_position_embeddings = 24;
  params.eos_token_id = 49;
  return params;
}

TEST(ClipTextEncoder, GivesARowTheSameBitsAloneAndInABatch) {
  RandomWeights weights(1);
  const ClipTextEncoder encoder(SmallParams(), Weights(&weights));
  const at::Tensor ids = at::randint(50, {5, 24}, at::kLong), mask = at::rand({5, 24}).gt(0.3);
  for (const auto feature : {&TextFeatures::hidden, &TextFeatures::pooled}) {
    ExpectRowsKeepTheirBits(5, [&](int64_t first, int64_t count) {
      return encoder.Forward(ids.narrow(0, first, count), mask.narrow(0, first, count)).*feature;
    });
  }
}

TEST(ClipTextEncoder, SendsGradientsToEveryTensor) {
  RandomWeights weights(2, RandomWeights::Trained::kYes);
  const ClipTextEncoder encoder(SmallParams(), Weights(&weights));
  const at::Tensor ids = at::randint(50, {3, 24}, at::kLong);
  const TextFeatures features = encoder.Forward(ids, at::ones({3, 24}, at::kBool));
  // Squares, for the sum of a layer norm's output does not depend on its input.
  (features.hidden.square().sum() + features.pooled.square().sum()).backward();
  for (const auto& [name, t] : weights.taken()) {
    ASSERT_TRUE(t.grad().defined()) << name;
    EXPECT_GT(t.grad().abs().max().item<double>(), 0) << name;
  }
}

TEST(ClipTextEncoder, RefusesALongerPrompt) {
  RandomWeights weights(3);
  const ClipTextEncoder encoder(SmallParams(), Weights(&weights));
  EXPECT_THROW(encoder.Forward(at::zeros({1, 25}, at::kLong), {}), c10::Error);
}

absl::StatusOr<ClipTextParams> Read(const std::string& json) {
  auto config = JsonObject::Parse(json, "text_encoder/config.json");
  if (!config.ok()) return config.status();
  return ClipTextParams::FromConfig(*config);
}

TEST(ClipTextParams, HasTheDefaultsOfTheClass) {
  const auto params = Read(R"({"hidden_size": 768, "num_attention_heads": 12, "eos_token_id": 2})");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->hidden_size, 768);
  EXPECT_EQ(params->vocab_size, 49408);
  EXPECT_EQ(params->hidden_act, "quick_gelu");
  EXPECT_EQ(params->eos_token_id, 2);
}

TEST(ClipTextParams, NamesTheFault) {
  EXPECT_THAT(Read(R"({"hidden_size": 0})").status().message(), HasSubstr("hidden_size"));
  EXPECT_THAT(Read(R"({"hidden_size": 10, "num_attention_heads": 4})").status().message(),
              HasSubstr("num_attention_heads"));
  EXPECT_THAT(Read(R"({"hidden_act": "relu"})").status().message(), HasSubstr("relu"));
  EXPECT_THAT(Read(R"({"vocab_size": "many"})").status().message(), HasSubstr("vocab_size"));
}

}  // namespace
}  // namespace easel

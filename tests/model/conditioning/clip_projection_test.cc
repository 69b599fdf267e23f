// ClipTextEncoder with a projection, and what SD3 reads of it, against transformers' CLIPTextModelWithProjection
// (tests/golden/parts/clip_projection.py).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/conditioning/clip_text_encoder.h"
#include "model/io/checkpoint.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/row_bits.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<ClipTextEncoder>> Load(const std::string& name, TextProjection projection) {
  const std::string directory = EASEL_SOURCE_DIR "/tests/golden/data/clip_projection/" + name;
  absl::StatusOr<JsonObject> config = JsonObject::Open(directory + "/config.json");
  if (!config.ok()) return config.status();
  auto params = ClipTextParams::FromConfig(*config);
  if (!params.ok()) return params.status();
  auto checkpoint = Checkpoint::Open(directory, at::kCPU, at::kFloat);
  if (!checkpoint.ok()) return checkpoint.status();
  auto encoder = std::make_unique<ClipTextEncoder>(*params, Weights(checkpoint->get()), projection);
  for (std::string_view tensor : kClipTextIgnoredTensors) (*checkpoint)->Ignore(tensor);
  if (absl::Status status = (*checkpoint)->Finish(); !status.ok()) return status;
  return encoder;
}

void ExpectGolden(const std::string& name) {
  const auto encoder = Load(name, TextProjection::kYes);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const GoldenTensors golden = LoadGolden("clip_projection/" + name + ".safetensors");
  const at::Tensor ids = golden->Get("ids").to(at::kLong);
  const at::Tensor training = (*encoder)->Forward(ids, {}).pooled;
  at::NoGradGuard no_grad;
  const TextFeatures features = (*encoder)->Forward(ids, {});
  for (int64_t row = 0; row < ids.size(0); ++row) {
    EXPECT_TRUE(RelativelyClose(features.hidden[row], golden->Get("hidden")[row], 1e-5)) << row;
    EXPECT_TRUE(RelativelyClose(features.penultimate[row], golden->Get("penultimate")[row], 1e-5)) << row;
    EXPECT_TRUE(RelativelyClose(features.pooled[row], golden->Get("pooled")[row], 1e-5)) << row;
    EXPECT_TRUE(RelativelyClose(training[row], golden->Get("pooled")[row], 1e-5)) << row;
  }
}

TEST(ClipProjectionGolden, ClipL) { ExpectGolden("clip_l"); }
TEST(ClipProjectionGolden, ClipGPaddedWithZeros) { ExpectGolden("clip_g"); }
TEST(ClipProjectionGolden, OneLayerAndNoPrefix) { ExpectGolden("first_eos"); }

TEST(ClipProjection, IsLeftOverWhereTheClassHasNone) {
  const auto encoder = Load("clip_l", TextProjection::kNo);
  ASSERT_FALSE(encoder.ok());
  EXPECT_THAT(encoder.status().message(), HasSubstr("text_projection.weight"));
}

// Sizes of which no product is a multiple of what the kernels take at a time.
TEST(ClipProjection, GivesARowTheSameBitsAloneAndInABatch) {
  for (const char* activation : {"quick_gelu", "gelu"}) {
    ClipTextParams params;
    params.vocab_size = 50;
    params.hidden_size = 20;
    params.intermediate_size = 37;
    params.num_hidden_layers = 2;
    params.num_attention_heads = 2;
    params.max_position_embeddings = 11;
    params.hidden_act = activation;
    params.eos_token_id = 49;
    params.projection_dim = 13;
    RandomWeights weights(1);
    const ClipTextEncoder encoder(params, Weights(&weights), TextProjection::kYes);
    const at::Tensor ids = at::randint(50, {9, 11}, at::kLong);
    SCOPED_TRACE(activation);
    for (const auto feature : {&TextFeatures::hidden, &TextFeatures::penultimate, &TextFeatures::pooled}) {
      ExpectRowsKeepTheirBits(9, [&](int64_t first, int64_t count) {
        return encoder.Forward(ids.narrow(0, first, count), {}).*feature;
      });
    }
  }
}

TEST(ClipProjection, ConfigsOfAWholeClipAndFaultsAreNamed) {
  for (const auto& [json, key] : {std::pair(R"({"text_config": {"hidden_size": 512}})", "text_config"),
                                  std::pair(R"({"projection_dim": 0})", "projection_dim")}) {
    auto config = JsonObject::Parse(json, "text_encoder_2/config.json");
    ASSERT_TRUE(config.ok());
    const auto params = ClipTextParams::FromConfig(*config);
    ASSERT_FALSE(params.ok()) << json;
    EXPECT_THAT(params.status().message(), HasSubstr("text_encoder_2/config.json"));
    EXPECT_THAT(params.status().message(), HasSubstr(key));
  }
}

}  // namespace
}  // namespace easel

// The conditioners of diffusers' families against encode_prompt of diffusers' pipelines
// (tests/golden/parts/pipelines.py), on directories that diffusers wrote.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "model/conditioning/clip_text_encoder.h"
#include "model/conditioning/clip_tokenizer.h"
#include "model/conditioning/flux_conditioner.h"
#include "model/conditioning/pixart_conditioner.h"
#include "model/conditioning/sd3_conditioner.h"
#include "model/conditioning/t5_text_encoder.h"
#include "model/conditioning/t5_tokenizer.h"
#include "model/io/checkpoint.h"
#include "model/io/json.h"
#include "model/io/safetensors.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/pipelines/";
constexpr int64_t kSd3Width = 24, kClipTokens = 24;  // of the data

template <class Encoder, class Params, class... Args>
std::unique_ptr<TextEncoder> LoadEncoder(const std::string& directory, c10::ScalarType dtype, Args... args) {
  JsonObject config = *JsonObject::Open(directory + "/config.json");
  const Params params = *Params::FromConfig(config);
  const auto checkpoint = *Checkpoint::Open(directory, at::kCPU, dtype);
  auto encoder = std::make_unique<Encoder>(params, Weights(checkpoint.get()), args...);
  EXPECT_TRUE(checkpoint->Finish().ok()) << checkpoint->Finish();
  return encoder;
}

// A component is the text encoder's and tokenizer's number: "", "_2", "_3".
std::unique_ptr<Tokenizer> T5Ids(const std::string& model, const std::string& number, int64_t length) {
  return *T5Tokenizer::Load(kData + model + "/tokenizer" + number, length);
}

std::unique_ptr<TextEncoder> T5Network(const std::string& model, const std::string& number,
                                       c10::ScalarType dtype = at::kFloat) {
  return LoadEncoder<T5TextEncoder, T5TextParams>(kData + model + "/text_encoder" + number, dtype);
}

PromptEncoder T5(const std::string& model, const std::string& number, int64_t length,
                 c10::ScalarType dtype = at::kFloat) {
  return *PromptEncoder::Create(T5Ids(model, number, length), T5Network(model, number, dtype));
}

PromptEncoder Clip(const std::string& model, const std::string& number, TextProjection projection,
                   c10::ScalarType dtype = at::kFloat) {
  return *PromptEncoder::Create(*ClipTokenizer::Load(kData + model + "/tokenizer" + number),
                                LoadEncoder<ClipTextEncoder, ClipTextParams>(
                                    kData + model + "/text_encoder" + number, dtype, projection));
}

std::unique_ptr<Conditioner> PixArt(const std::string& model, int64_t length) {
  return *MakePixArtConditioner(T5Ids(model, "", length), T5Network(model, ""));
}

std::unique_ptr<Conditioner> Sd3(const std::string& model, bool with_t5, c10::ScalarType dtype = at::kFloat,
                                 c10::ScalarType clip_l_dtype = at::kFloat) {
  std::optional<PromptEncoder> t5;
  if (with_t5) t5 = T5(model, "_3", kSd3T5Tokens, dtype);
  return *MakeSd3Conditioner(Clip(model, "", TextProjection::kYes, clip_l_dtype),
                             Clip(model, "_2", TextProjection::kYes, dtype), std::move(t5), kSd3Width);
}

std::unique_ptr<Conditioner> Flux(const std::string& model, c10::ScalarType dtype = at::kFloat) {
  return MakeFluxConditioner(Clip(model, "", TextProjection::kNo, dtype),
                             T5(model, "_2", kFluxT5Tokens, dtype));
}

EncodedCondition Encode(const Conditioner& conditioner, const ConditionRequest& request) {
  at::NoGradGuard no_grad;
  return conditioner.Encode(*conditioner.Tokenize(request));
}

// Every prompt of `model` in cases.json; there are `count`.
void ExpectGolden(const std::string& model, const Conditioner& conditioner, int count) {
  const GoldenTensors golden = LoadGolden("pipelines/prompts.safetensors");
  JsonObject cases = *JsonObject::Open(kData + "cases.json");
  int seen = 0;
  for (JsonObject& prompt : cases.Objects("prompts")) {
    if (prompt.String("model") != model) continue;
    SCOPED_TRACE(prompt.String("name"));
    ++seen;
    const std::string name = prompt.String("name") + ".";
    const ConditionRequest request{prompt.String("prompt"), {}};
    EXPECT_EQ(conditioner.Tokenize(request)->tokens_cut(), prompt.Int("tokens_cut"));
    EXPECT_TRUE(conditioner.Tokenize(request)->has_text());

    const EncodedCondition encoded = Encode(conditioner, request);
    EXPECT_FALSE(encoded.cache_hit);
    EXPECT_TRUE(RelativelyClose(encoded.row.text, golden->Get(name + "text"), 1e-5));
    ASSERT_EQ(encoded.row.text_mask.defined(), golden->Has(name + "mask"));
    if (encoded.row.text_mask.defined()) {
      EXPECT_TRUE(SameBytes(encoded.row.text_mask, golden->Get(name + "mask").to(at::kBool)));
    }
    ASSERT_EQ(encoded.row.pooled.defined(), golden->Has(name + "pooled"));
    if (encoded.row.pooled.defined()) {
      EXPECT_TRUE(RelativelyClose(encoded.row.pooled, golden->Get(name + "pooled"), 1e-5));
    }
    EXPECT_FALSE(encoded.row.label.defined() || encoded.row.guidance.defined());

    const EncodedCondition again = Encode(conditioner, request);
    EXPECT_TRUE(again.cache_hit);
    EXPECT_TRUE(SameBytes(again.row.text, encoded.row.text));
  }
  EXPECT_EQ(seen, count);
}

TEST(FamilyConditioners, PixArtAlpha) {
  const auto conditioner = PixArt("pixart_alpha", kPixArtAlphaTokens);
  EXPECT_EQ(conditioner->max_prompt_tokens(), 120);
  ExpectGolden("pixart_alpha", *conditioner, 5);
}

TEST(FamilyConditioners, PixArtSigma) {
  ExpectGolden("pixart_sigma", *PixArt("pixart_sigma", kPixArtSigmaTokens), 5);
}

TEST(FamilyConditioners, Sd3) {
  const auto conditioner = Sd3("sd3", /*with_t5=*/true);
  EXPECT_EQ(conditioner->max_prompt_tokens(), 256);
  ExpectGolden("sd3", *conditioner, 5);
}

TEST(FamilyConditioners, Sd3WithoutT5) {
  const auto conditioner = Sd3("sd3_no_t5", /*with_t5=*/false);
  EXPECT_EQ(conditioner->max_prompt_tokens(), kClipTokens);
  ExpectGolden("sd3_no_t5", *conditioner, 3);
}

TEST(FamilyConditioners, Flux) {
  const auto conditioner = Flux("flux_dev");
  EXPECT_EQ(conditioner->max_prompt_tokens(), 512);
  ExpectGolden("flux_dev", *conditioner, 5);
}

TEST(FamilyConditioners, TakeNoClass) {
  for (const auto& conditioner : {PixArt("pixart_alpha", 120), Flux("flux_dev")}) {
    EXPECT_TRUE(conditioner->takes_prompt());
    EXPECT_FALSE(conditioner->takes_class());
    EXPECT_THAT(std::string(conditioner->Tokenize({{}, 1}).status().message()), StartsWith("class_label:"));
  }
}

TEST(FamilyConditioners, AreUnconditionalAsTheEmptyPrompt) {
  for (const auto& conditioner : {PixArt("pixart_alpha", 120), Sd3("sd3", true), Flux("flux_dev")}) {
    const EncodedCondition none = Encode(*conditioner, {}), empty = Encode(*conditioner, {"", {}});
    EXPECT_TRUE(empty.cache_hit);
    EXPECT_TRUE(SameBytes(none.row.text, empty.row.text));
  }
}

// Two prompts that CLIP cuts to the same tokens are still two.
TEST(FamilyConditioners, CacheByAllTokenizers) {
  const auto conditioner = Flux("flux_dev");
  const std::string same = "the quick brown fox jumps over the lazy dog the quick brown fox ";
  const EncodedCondition one = Encode(*conditioner, {same + "a", {}}),
                         other = Encode(*conditioner, {same + "b", {}});
  EXPECT_FALSE(other.cache_hit);
  EXPECT_TRUE(SameBytes(one.row.pooled, other.row.pooled));
  EXPECT_FALSE(SameBytes(one.row.text, other.row.text));
}

TEST(FamilyConditioners, InHalfPrecision) {
  for (c10::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    const Conditioning exact = Encode(*Sd3("sd3", true), {"a cat", {}}).row;
    const Conditioning sd3 = Encode(*Sd3("sd3", true, dtype, dtype), {"a cat", {}}).row;
    EXPECT_EQ(sd3.text.scalar_type(), dtype);
    EXPECT_EQ(sd3.pooled.scalar_type(), dtype);
    EXPECT_TRUE(RelativelyClose(sd3.text, exact.text, 0.03));
    EXPECT_TRUE(RelativelyClose(sd3.pooled, exact.pooled, 0.03));
    const Conditioning flux = Encode(*Flux("flux_dev", dtype), {"a cat", {}}).row;
    EXPECT_EQ(flux.text.scalar_type(), dtype);
    EXPECT_EQ(flux.pooled.scalar_type(), dtype);
  }
}

// Encoders that are served in different dtypes still make one row.
TEST(FamilyConditioners, Sd3HasTheDtypeOfItsFirstEncoder) {
  const Conditioning row = Encode(*Sd3("sd3", true, at::kHalf, at::kFloat), {"a cat", {}}).row;
  EXPECT_EQ(row.text.scalar_type(), at::kFloat);
  EXPECT_EQ(row.pooled.scalar_type(), at::kFloat);
}

TEST(FamilyConditioners, Sd3RefusesPartsThatDoNotFit) {
  auto message = [](PromptEncoder clip_g, std::optional<PromptEncoder> t5, int64_t width) {
    return std::string(
        MakeSd3Conditioner(Clip("sd3", "", TextProjection::kYes), std::move(clip_g), std::move(t5), width)
            .status()
            .message());
  };
  auto clip_g = [] { return Clip("sd3", "_2", TextProjection::kYes); };
  EXPECT_EQ(message(clip_g(), T5("sd3", "_3", 256), 24), "");
  EXPECT_THAT(message(clip_g(), std::nullopt, 19), HasSubstr("8 + 12 wide"));
  EXPECT_EQ(message(clip_g(), std::nullopt, 20), "");
  EXPECT_THAT(message(clip_g(), T5("sd3", "_3", 256), 25), StartsWith("text_encoder_3 is 24 wide"));
  EXPECT_THAT(message(clip_g(), T5("sd3", "_3", 77), 24), StartsWith("tokenizer_3 makes prompts of 77"));
  PromptEncoder longer = *PromptEncoder::Create(T5Ids("sd3", "_3", 25), T5Network("sd3", "_3"));
  EXPECT_THAT(message(std::move(longer), std::nullopt, 99),
              StartsWith("tokenizer_2 makes prompts of 25 tokens"));
}

}  // namespace
}  // namespace easel

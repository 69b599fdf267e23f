// PixArt: against diffusers (tests/golden/parts/diffusion_transformers.py), alone and in a batch, and bad
// configs.
#include "model/transformers/pixart.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/io/checkpoint.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/row_bits.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<PixArt>> Load(const std::string& name) {
  const std::string directory = EASEL_SOURCE_DIR "/tests/golden/data/diffusion_transformers/" + name;
  absl::StatusOr<JsonObject> config = JsonObject::Open(directory + "/config.json");
  if (!config.ok()) return config.status();
  auto params = PixArtParams::FromConfig(*config);
  if (!params.ok()) return params.status();
  auto checkpoint = Checkpoint::Open(directory, at::kCPU, at::kFloat);
  if (!checkpoint.ok()) return checkpoint.status();
  for (std::string_view tensor : kPixArtIgnoredTensors) (*checkpoint)->Ignore(tensor);
  auto network = std::make_unique<PixArt>(*params, Weights(checkpoint->get()));
  if (absl::Status status = (*checkpoint)->Finish(); !status.ok()) return status;
  return network;
}

void ExpectGolden(const std::string& name) {
  const auto network = Load(name);
  ASSERT_TRUE(network.ok()) << network.status();
  const GoldenTensors golden = LoadGolden("diffusion_transformers/" + name + ".safetensors");
  Conditioning conditioning;
  conditioning.text = golden->Get("text");
  conditioning.text_mask = golden->Get("text_mask");
  at::NoGradGuard no_grad;
  const at::Tensor prediction = (*network)->Forward(golden->Get("latent"), golden->Get("time"), conditioning);
  const at::Tensor expected = golden->Get("prediction");
  ASSERT_EQ(prediction.sizes(), expected.sizes());
  for (int64_t row = 0; row < expected.size(0); ++row) {
    EXPECT_TRUE(RelativelyClose(prediction[row], expected[row], 1e-5)) << name << ", row " << row;
  }
}

TEST(PixArtGolden, WidePicture) { ExpectGolden("pixart"); }
TEST(PixArtGolden, OlderClassNameAndConditionsOfSize) { ExpectGolden("pixart_old_class"); }
TEST(PixArtGolden, FaintStatesShowTheNormsEps) { ExpectGolden("pixart_faint"); }

PixArtParams Params(int64_t heads, int64_t head_dim, int64_t caption_channels) {
  PixArtParams params;
  params.num_attention_heads = heads;
  params.attention_head_dim = head_dim;
  params.num_layers = 2;
  params.caption_channels = caption_channels;
  params.use_additional_conditions = true;
  return params;
}

// Prompts of 1, 2, … tokens, padded to `tokens`.
Conditioning Prompts(const PixArtParams& params, int64_t rows, int64_t tokens) {
  Conditioning conditioning;
  conditioning.text = at::randn({rows, tokens, params.caption_channels});
  conditioning.text_mask =
      at::arange(tokens).unsqueeze(0) < 1 + at::arange(rows).remainder(tokens).unsqueeze(1);
  return conditioning;
}

void RowsKeepTheirBits(const PixArtParams& params, int64_t rows, int64_t height, int64_t width,
                             int64_t tokens) {
  RandomWeights weights(1);
  const PixArt network(params, Weights(&weights));
  const at::Tensor latent = at::randn({rows, params.in_channels, height, width});
  const at::Tensor time = at::randint(1000, {rows}).to(at::kFloat);
  const Conditioning all = Prompts(params, rows, tokens);
  auto forward = [&](int64_t first, int64_t n) {
    Conditioning some;
    some.text = all.text.narrow(0, first, n);
    some.text_mask = all.text_mask.narrow(0, first, n);
    return network.Forward(latent.narrow(0, first, n), time.narrow(0, first, n), some);
  };
  ExpectRowsKeepTheirBits(rows, forward);
}

// 6 patches and 7 tokens: fewer rows than a product needs for steady bits.
TEST(PixArtRows, Tiny) { RowsKeepTheirBits(Params(2, 12, 20), /*rows=*/9, 4, 6, /*tokens=*/7); }
TEST(PixArtRows, AsWideAsPublished) {
  RowsKeepTheirBits(Params(16, 72, 4096), /*rows=*/4, 8, 12, /*tokens=*/120);
}

class PixArtForward : public ::testing::Test {
 protected:
  at::NoGradGuard no_grad_;
  const PixArtParams params_ = Params(2, 12, 20);
  RandomWeights weights_{1};
  const PixArt network_{params_, Weights(&weights_)};
  const at::Tensor latent_ = at::randn({2, 4, 4, 6});
  const at::Tensor time_ = at::tensor({999.0f, 3.0f});
  Conditioning conditioning_ = Prompts(params_, 2, 7);
};

TEST_F(PixArtForward, PaddingDoesNotMatter) {
  const at::Tensor before = network_.Forward(latent_, time_, conditioning_);
  conditioning_.text = at::where(conditioning_.text_mask.unsqueeze(2), conditioning_.text, at::ones({}));
  EXPECT_TRUE(SameBytes(network_.Forward(latent_, time_, conditioning_), before));
}

TEST_F(PixArtForward, RowOfPaddingAloneAttendsToAllOfIt) {
  conditioning_.text_mask = at::Tensor();
  const at::Tensor unmasked = network_.Forward(latent_, time_, conditioning_);
  conditioning_.text_mask = at::zeros({2, 7}, at::kBool);
  // Scores next to -10000 keep three decimals.
  EXPECT_TRUE(RelativelyClose(network_.Forward(latent_, time_, conditioning_), unmasked, 1e-2));
}

TEST_F(PixArtForward, SidesOfHalfAPatchThrow) {
  EXPECT_THROW(network_.Forward(at::randn({2, 4, 5, 6}), time_, conditioning_), c10::Error);
}

TEST_F(PixArtForward, Bfloat16IsNearFloat32) {
  struct Narrow : RandomWeights {
    using RandomWeights::RandomWeights;
    at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override {
      return RandomWeights::Take(name, shape, init).to(at::kBFloat16);
    }
  } narrow_weights(1);
  const PixArt narrow(params_, Weights(&narrow_weights));
  const at::Tensor expected = network_.Forward(latent_, time_, conditioning_);
  conditioning_.text = conditioning_.text.to(at::kBFloat16);
  const at::Tensor prediction = narrow.Forward(latent_.to(at::kBFloat16), time_, conditioning_);
  EXPECT_EQ(prediction.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(RelativelyClose(prediction, expected, 0.05));
}

absl::StatusOr<PixArtParams> Read(const std::string& text) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "transformer/config.json");
  if (!config.ok()) return config.status();
  return PixArtParams::FromConfig(*config);
}

// A config in which `key` is `value`, and all else is in order.
absl::StatusOr<PixArtParams> ReadWith(const std::string& key, const std::string& value) {
  const std::string caption = key == "caption_channels" ? "" : "\"caption_channels\": 4096, ";
  return Read("{" + caption + "\"" + key + "\": " + value + "}");
}

TEST(PixArtParams, AbsentKeysAreTheClasssDefaults) {
  const auto params = Read(R"({"caption_channels": 4096})");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->dim(), 1152);
  EXPECT_EQ(params->num_attention_heads, 16);
  EXPECT_EQ(params->in_channels, 4);
  EXPECT_EQ(params->out_channels, 8);
  EXPECT_EQ(params->num_layers, 28);
  EXPECT_EQ(params->sample_size, 128);
  EXPECT_EQ(params->patch_size, 2);
  EXPECT_EQ(params->activation_fn, "gelu-approximate");
  EXPECT_EQ(params->norm_eps, 1e-6);
  EXPECT_EQ(params->interpolation_scale, 2);
  EXPECT_TRUE(params->use_additional_conditions);
}

TEST(PixArtParams, SampleSizeDecidesWhatIsNull) {
  const auto small = ReadWith("sample_size", "32");
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_EQ(small->interpolation_scale, 1);
  EXPECT_FALSE(small->use_additional_conditions);
  EXPECT_EQ(ReadWith("sample_size", "256")->interpolation_scale, 4);
  EXPECT_FALSE(ReadWith("use_additional_conditions", "false")->use_additional_conditions);
  EXPECT_EQ(ReadWith("interpolation_scale", "0.5")->interpolation_scale, 0.5);
}

TEST(PixArtParams, OutChannelsOfNullAreInChannels) {
  EXPECT_EQ(ReadWith("out_channels", "null")->out_channels, 4);
  EXPECT_EQ(ReadWith("out_channels", "8")->out_channels, 8);
}

TEST(PixArtParams, FaultsNameFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"num_attention_heads", "9000000000000000000"},
      {"sample_size", "127"},
      {"out_channels", "12"},
      {"activation_fn", "\"geglu\""},
      {"norm_eps", "-1"},
      {"norm_type", "\"ada_norm_zero\""},
      {"attention_bias", "false"},
      {"norm_elementwise_affine", "true"},
      {"attention_type", "\"gated\""},
      {"cross_attention_dim", "4096"},
      {"cross_attention_dim", "null"},
      {"caption_channels", "null"},
      {"caption_channels", "0"},
      {"interpolation_scale", "0"},
      {"interpolation_scale", "NaN"},
      {"use_additional_conditions", "1"},
  };
  for (const auto& [key, value] : cases) {
    const auto params = ReadWith(key, value);
    ASSERT_FALSE(params.ok()) << key << " " << value;
    EXPECT_THAT(std::string(params.status().message()), HasSubstr("transformer/config.json"));
    EXPECT_THAT(std::string(params.status().message()), HasSubstr(key)) << value;
  }
  const auto width = Read(R"({"caption_channels": 8, "attention_head_dim": 4, "cross_attention_dim": 64})");
  EXPECT_THAT(std::string(width.status().message()), HasSubstr("use_additional_conditions"));
}

}  // namespace
}  // namespace easel

// EaselDiT: against its twin in PyTorch (tests/golden/easel_dit_reference.py), alone and in a batch, and bad
// configs.
#include "model/transformers/easel_dit.h"

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
  const auto network = LoadGoldenNetwork<EaselDiT, EaselDiTParams>("easel_dit/" + name);
  ASSERT_TRUE(network.ok()) << network.status();
  const GoldenTensors golden = LoadGolden("easel_dit/" + name + ".safetensors");
  auto get = [&](const char* key) { return golden->Has(key) ? golden->Get(key) : at::Tensor(); };
  const Conditioning conditioning{get("text"), get("text_mask"), get("pooled"), get("label")};
  const at::Tensor latent = get("latent"), time = get("time"), expected = get("prediction");

  // A forward for training is another one: it pads no products.
  const at::Tensor training = (*network)->Forward(latent, time, conditioning);
  at::NoGradGuard no_grad;
  const at::Tensor prediction = (*network)->Forward(latent, time, conditioning);
  for (int64_t row = 0; row < latent.size(0); ++row) {
    EXPECT_TRUE(RelativelyClose(prediction[row], expected[row], 1e-5)) << name << ", row " << row;
    EXPECT_TRUE(RelativelyClose(training[row], expected[row], 1e-5)) << name << ", training, row " << row;
  }
}

TEST(EaselDiTGolden, TextAndClass) { ExpectGolden("text_and_class"); }
TEST(EaselDiTGolden, TextAlone) { ExpectGolden("text"); }
TEST(EaselDiTGolden, ClassAlone) { ExpectGolden("class"); }

// By turns with text and class, with one, with the other, with neither.
Conditioning MixedRows(const EaselDiTParams& params, int64_t rows, int64_t tokens) {
  Conditioning all;
  all.label = at::full({rows}, params.num_classes, at::kLong);
  all.text = at::zeros({rows, tokens, params.context_dim});
  all.pooled = at::zeros({rows, params.context_dim});
  all.text_mask = at::zeros({rows, tokens}, at::kBool);
  for (int64_t row = 0; row < rows; ++row) {
    if (row % 4 == 0 || row % 4 == 1) {
      all.text[row].normal_();
      all.pooled[row].normal_();
      all.text_mask[row].narrow(0, 0, 1 + row % tokens).fill_(true);
    }
    if (row % 4 == 0 || row % 4 == 2) all.label[row].fill_(row % params.num_classes);
  }
  return all;
}

void RowsKeepTheirBits(const EaselDiTParams& params, int64_t tokens) {
  RandomWeights weights(1);
  const EaselDiT network(params, Weights(&weights));
  constexpr int64_t kRows = 9;
  const at::Tensor latent = at::randn({kRows, params.in_channels, params.img_size, params.img_size});
  const at::Tensor time = at::rand({kRows});
  const Conditioning all = MixedRows(params, kRows, tokens);
  auto forward = [&](int64_t first, int64_t rows) {
    auto some = [&](const at::Tensor& x) { return x.narrow(0, first, rows); };
    return network.Forward(some(latent), some(time),
                           {some(all.text), some(all.text_mask), some(all.pooled), some(all.label)});
  };
  ExpectRowsKeepTheirBits(kRows, forward);
}

// 9 patches: fewer rows than a product needs for steady bits.
TEST(EaselDiTRows, Tiny) {
  EaselDiTParams params;
  params.img_size = 6;
  params.in_channels = 3;
  params.embed_dim = 24;
  params.depth = 2;
  params.num_heads = 3;
  params.num_classes = 5;
  params.context_dim = 20;
  params.layout_hidden = 14;
  params.layout_dim = 5;
  params.recall_size = 11;
  params.recall_dim = 9;
  RowsKeepTheirBits(params, /*tokens=*/7);
}

TEST(EaselDiTRows, AsWideAsShipped) {
  EaselDiTParams params;
  params.depth = 2;  // one block of each kind
  params.num_classes = 26;
  params.context_dim = 192;
  params.recall_size = 1097;
  RowsKeepTheirBits(params, /*tokens=*/24);
}

absl::StatusOr<EaselDiTParams> Read(const std::string& text) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "transformer/config.json");
  if (!config.ok()) return config.status();
  return EaselDiTParams::FromConfig(*config);
}

constexpr std::pair<const char*, const char*> kNeeded[] = {
    {"img_size", "16"},  {"patch_size", "2"}, {"in_channels", "4"},
    {"embed_dim", "24"}, {"depth", "2"},      {"num_heads", "3"},
};

// A config in which `key` is `value`, and all else is in order.
std::string ConfigWith(const std::string& key, const std::string& value) {
  std::string text = "{\"" + key + "\": " + value;
  for (const auto& [name, usual] : kNeeded) {
    if (name != key) text += std::string(", \"") + name + "\": " + usual;
  }
  return text + "}";
}

TEST(EaselDiTParams, AbsentKeysHaveDefaultsWhereTheShapeDoesNotNeedThem) {
  const auto params = Read(ConfigWith("num_classes", "7"));
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->num_classes, 7);
  EXPECT_EQ(params->context_dim, 0);
  EXPECT_EQ(params->mlp_ratio, 4);
  EXPECT_EQ(params->layout_hidden, 512);
  EXPECT_EQ(params->layout_dim, 32);
  EXPECT_EQ(params->recall_size, 0);
}

TEST(EaselDiTParams, AbsentKeysOfTheShapeAreNamed) {
  for (const auto& [key, usual] : kNeeded) {
    std::string text = ConfigWith(key, usual);
    text.replace(text.find(key), 1, "x");  // now a key that nobody asks for
    const auto params = Read(text);
    ASSERT_FALSE(params.ok()) << key;
    EXPECT_THAT(std::string(params.status().message()), HasSubstr(key));
  }
}

TEST(EaselDiTParams, FaultsNameFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"img_size", "15"},   {"img_size", "0"},         {"img_size", "8192"},  {"patch_size", "0"},
      {"patch_size", "-2"}, {"patch_size", "65"},      {"in_channels", "0"},  {"in_channels", "\"4\""},
      {"embed_dim", "25"},  {"embed_dim", "28"},       {"embed_dim", "0"},    {"depth", "0"},
      {"depth", "1000000"}, {"num_heads", "0"},        {"num_heads", "2.5"},  {"mlp_ratio", "0"},
      {"mlp_ratio", "NaN"}, {"num_classes", "-1"},     {"context_dim", "-1"}, {"layout_hidden", "0"},
      {"layout_dim", "-1"}, {"layout_dim", "1000000"}, {"recall_size", "-1"}, {"recall_size", "9"}, {"recall_dim", "0"},
  };
  for (const auto& [key, value] : cases) {
    const auto params = Read(ConfigWith(key, value));
    ASSERT_FALSE(params.ok()) << key << " " << value;
    EXPECT_THAT(std::string(params.status().message()), HasSubstr("transformer/config.json"));
    EXPECT_THAT(std::string(params.status().message()), HasSubstr(key)) << value;
  }
}

}  // namespace
}  // namespace easel

// The book's transformers: against the book (tests/golden/parts/reference_dit.py), alone and in a batch, and
// bad configs.
#include "model/transformers/reference_dit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/io/checkpoint.h"
#include "model/io/safetensors.h"
#include "tests/testing/row_bits.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/reference_dit/";

double RelativeError(const at::Tensor& actual, const at::Tensor& expected) {
  return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
}

absl::StatusOr<std::unique_ptr<ReferenceDit>> Load(const std::string& name) {
  absl::StatusOr<JsonObject> config = JsonObject::Open(kData + name + "/config.json");
  if (!config.ok()) return config.status();
  auto params = ReferenceDitParams::FromConfig(name, *config);
  if (!params.ok()) return params.status();
  auto checkpoint = Checkpoint::Open(kData + name, at::kCPU, at::kFloat);
  if (!checkpoint.ok()) return checkpoint.status();
  auto network = std::make_unique<ReferenceDit>(*params, Weights(checkpoint->get()));
  if (absl::Status status = (*checkpoint)->Finish(); !status.ok()) return status;
  return network;
}

void ExpectGolden(const std::string& name) {
  const auto network = Load(name);
  ASSERT_TRUE(network.ok()) << network.status();
  const auto golden = SafetensorsFile::Open(kData + name + ".safetensors");
  ASSERT_TRUE(golden.ok()) << golden.status();
  auto get = [&](const char* key) { return (*golden)->Has(key) ? (*golden)->Get(key) : at::Tensor(); };
  Conditioning conditioning;
  conditioning.label = get("label");
  conditioning.text = get("text");
  conditioning.text_mask = get("mask");

  at::NoGradGuard no_grad;
  const at::Tensor latent = get("latent"), time = get("time");
  EXPECT_LE(RelativeError((*network)->Forward(latent, time, conditioning), get("prediction")), 1e-5);
  if (conditioning.text_mask.defined()) {
    conditioning.text_mask.reset();
    EXPECT_LE(RelativeError((*network)->Forward(latent, time, conditioning), get("prediction_without_mask")),
              1e-5);
  }
}

TEST(ReferenceDitGolden, DiT) { ExpectGolden("DiT"); }
TEST(ReferenceDitGolden, ConditionalDiT) { ExpectGolden("ConditionalDiT"); }
TEST(ReferenceDitGolden, TextConditionalDiT) { ExpectGolden("TextConditionalDiT"); }

class RandomWeights : public WeightSource {
 public:
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override {
    return at::randn(shape) * 0.05;
  }
  bool Has(const std::string& name) const override { return false; }
};

// Two shapes: fewer tokens than a product needs for steady bits (9), and the book's (64).
void RowsKeepTheirBits(ReferenceDitKind kind, ReferenceDitParams params) {
  params.kind = kind;
  RandomWeights weights;
  const ReferenceDit network(params, Weights(&weights));
  constexpr int64_t kRows = 5;
  const at::Tensor latent = at::randn({kRows, params.in_channels, params.img_size, params.img_size});
  const at::Tensor time = at::rand({kRows});
  Conditioning all;
  if (kind == ReferenceDitKind::kClass) all.label = at::randint(params.num_classes + 1, {kRows}, at::kLong);
  if (kind == ReferenceDitKind::kText) {
    all.text = at::randn({kRows, 7, params.context_dim});
    all.text_mask = at::arange(7).unsqueeze(0) < at::tensor({1, 2, 4, 6, 7}).unsqueeze(1);
  }
  ExpectRowsKeepTheirBits(kRows, [&](int64_t first, int64_t count) {
    auto some = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, first, count) : x; };
    Conditioning conditioning;
    conditioning.label = some(all.label);
    conditioning.text = some(all.text);
    conditioning.text_mask = some(all.text_mask);
    return network.Forward(some(latent), some(time), conditioning);
  });
}

ReferenceDitParams Tiny() {
  ReferenceDitParams params;
  params.img_size = 6;
  params.patch_size = 2;
  params.embed_dim = 24;
  params.depth = 2;
  params.num_heads = 3;
  params.context_dim = 20;
  return params;
}

ReferenceDitParams BookSized() {
  ReferenceDitParams params;
  params.depth = 2;
  return params;
}

TEST(ReferenceDitRows, Unconditional) { RowsKeepTheirBits(ReferenceDitKind::kUnconditional, Tiny()); }
TEST(ReferenceDitRows, Class) { RowsKeepTheirBits(ReferenceDitKind::kClass, Tiny()); }
TEST(ReferenceDitRows, Text) { RowsKeepTheirBits(ReferenceDitKind::kText, Tiny()); }
TEST(ReferenceDitRows, ClassAtTheBooksSize) {
  RowsKeepTheirBits(ReferenceDitKind::kClass, BookSized());
}
TEST(ReferenceDitRows, TextAtTheBooksSize) { RowsKeepTheirBits(ReferenceDitKind::kText, BookSized()); }

TEST(ReferenceDit, TakesItsOwnSizeAlone) {
  RandomWeights weights;
  ReferenceDitParams params = Tiny();
  params.kind = ReferenceDitKind::kUnconditional;
  const ReferenceDit network(params, Weights(&weights));
  EXPECT_THROW(network.Forward(at::zeros({1, 3, 8, 8}), at::zeros({1}), {}), c10::Error);
}

absl::StatusOr<ReferenceDitParams> Read(const std::string& class_name, const std::string& text) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "transformer/config.json");
  if (!config.ok()) return config.status();
  return ReferenceDitParams::FromConfig(class_name, *config);
}

TEST(ReferenceDitParams, AbsentKeysTakeTheClassDefaults) {
  const auto dit = Read("DiT", "{}");
  ASSERT_TRUE(dit.ok()) << dit.status();
  EXPECT_EQ(dit->kind, ReferenceDitKind::kUnconditional);
  EXPECT_EQ(dit->img_size, 28);
  EXPECT_EQ(dit->in_channels, 1);
  const auto conditional = Read("ConditionalDiT", R"({"dropout": 0.1})");
  ASSERT_TRUE(conditional.ok()) << conditional.status();
  EXPECT_EQ(conditional->kind, ReferenceDitKind::kClass);
  EXPECT_EQ(conditional->num_classes, 10);
  EXPECT_EQ(conditional->img_size, 28);
  const auto text = Read("TextConditionalDiT", "{}");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->kind, ReferenceDitKind::kText);
  EXPECT_EQ(text->img_size, 32);
  EXPECT_EQ(text->in_channels, 3);
  EXPECT_EQ(text->context_dim, 512);
  EXPECT_EQ(text->embed_dim, 256);
}

TEST(ReferenceDitParams, FaultsNameTheKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"embed_dim": 250})", "embed_dim"},
      {R"({"embed_dim": 30, "num_heads": 3})", "embed_dim"},
      {R"({"embed_dim": 4, "num_heads": 1})", "embed_dim"},
      {R"({"img_size": 30})", "img_size"},
      {R"({"patch_size": 0})", "patch_size"},
      {R"({"num_heads": 0})", "num_heads"},
      {R"({"depth": 1000000})", "depth"},
      {R"({"mlp_ratio": 0})", "mlp_ratio"},
      {R"({"mlp_ratio": NaN})", "mlp_ratio"},
      {R"({"context_dim": -1})", "context_dim"},
      {R"({"in_channels": "3"})", "in_channels"},
  };
  for (const auto& [text, key] : cases) {
    const auto params = Read("TextConditionalDiT", text);
    ASSERT_FALSE(params.ok()) << text;
    EXPECT_THAT(std::string(params.status().message()), HasSubstr("transformer/config.json"));
    EXPECT_THAT(std::string(params.status().message()), HasSubstr(key)) << text;
  }
  EXPECT_THAT(std::string(Read("ConditionalDiT", R"({"num_classes": 0})").status().message()),
              HasSubstr("num_classes"));
  EXPECT_THAT(std::string(Read("UNet", "{}").status().message()), HasSubstr("UNet"));
}

}  // namespace
}  // namespace easel

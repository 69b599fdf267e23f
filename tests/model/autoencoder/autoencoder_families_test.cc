// AutoencoderKL with the families' configs against diffusers (tests/golden/parts/autoencoder_families.py): whole, in
// tiles, and when it is which.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/autoencoder/autoencoder_kl.h"
#include "tests/testing/golden_network.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

void ExpectGolden(const std::string& name) {
  const auto network = LoadGoldenNetwork<AutoencoderKL, AutoencoderKLParams>("autoencoder_families/" + name);
  ASSERT_TRUE(network.ok()) << network.status();
  const GoldenTensors golden = LoadGolden("autoencoder_families/" + name + ".safetensors");
  at::NoGradGuard no_grad;
  EXPECT_EQ((*network)->downscale(), 8);
  EXPECT_TRUE(RelativelyClose((*network)->Encode(golden->Get("pixels")), golden->Get("latent"), 1e-5));
  EXPECT_TRUE(RelativelyClose((*network)->Decode(golden->Get("latent")), golden->Get("decoded"), 1e-5));

  ASSERT_TRUE((*network)->tiles_possible());
  const at::Tensor decoded = golden->Get("tiled_decoded");
  EXPECT_TRUE(RelativelyClose((*network)->TiledDecode(golden->Get("tiled_latent")), decoded, 1e-5));
  EXPECT_TRUE(RelativelyClose((*network)->TiledMoments(decoded), golden->Get("tiled_moments"), 1e-5));
}

TEST(AutoencoderFamiliesGolden, StableDiffusion) { ExpectGolden("sd"); }
TEST(AutoencoderFamiliesGolden, StableDiffusion3) { ExpectGolden("sd3"); }
TEST(AutoencoderFamiliesGolden, Flux) { ExpectGolden("flux"); }
TEST(AutoencoderFamiliesGolden, NoAttention) { ExpectGolden("no_attention"); }

AutoencoderKLParams SmallParams() {
  AutoencoderKLParams params;
  params.block_out_channels = {4, 4, 4};
  params.norm_num_groups = 2;
  params.sample_size = 32;
  params.max_whole_pixels = 64 * 64;
  return params;
}

TEST(AutoencoderTiling, BeginsAboveTheLargestWholePicture) {
  EXPECT_EQ(AutoencoderKLParams().max_whole_pixels, 2048 * 2048);
  at::NoGradGuard no_grad;
  RandomWeights weights(1);
  const AutoencoderKL network(SmallParams(), Weights(&weights));
  auto mean = [](const at::Tensor& moments) { return moments.narrow(1, 0, 4) * 0.18215; };
  at::Tensor latent = at::randn({1, 4, 16, 16});  // 64 × 64 pixels
  const at::Tensor whole = network.Decode(latent);
  EXPECT_EQ(whole.sizes(), (at::IntArrayRef{1, 3, 64, 64}));
  EXPECT_FALSE(RelativelyClose(network.TiledDecode(latent), whole, 1e-3));
  EXPECT_TRUE(SameBytes(network.Encode(whole), mean(network.Moments(whole))));

  latent = at::randn({1, 4, 16, 17});
  const at::Tensor tiled = network.Decode(latent);
  EXPECT_EQ(tiled.sizes(), (at::IntArrayRef{1, 3, 64, 68}));
  EXPECT_TRUE(SameBytes(tiled, network.TiledDecode(latent)));
  EXPECT_TRUE(SameBytes(network.Encode(tiled), mean(network.TiledMoments(tiled))));
  EXPECT_FALSE(RelativelyClose(network.TiledMoments(tiled), network.Moments(tiled), 1e-3));
}

TEST(AutoencoderTiling, NeedsTilesThatFit) {
  at::NoGradGuard no_grad;
  AutoencoderKLParams params = SmallParams();
  params.sample_size = 40;  // 10 of the latent, of which a quarter is no integer
  RandomWeights weights(1);
  const AutoencoderKL network(params, Weights(&weights));
  EXPECT_FALSE(network.tiles_possible());
  const at::Tensor latent = at::randn({1, 4, 20, 20});
  const at::Tensor decoded = network.Decode(latent);
  RandomWeights same(1);
  params.max_whole_pixels = 80 * 80;
  EXPECT_TRUE(SameBytes(decoded, AutoencoderKL(params, Weights(&same)).Decode(latent)));
}

TEST(AutoencoderTiling, APictureOfOneTileIsWhole) {
  const auto network = LoadGoldenNetwork<AutoencoderKL, AutoencoderKLParams>("autoencoder_families/sd");
  ASSERT_TRUE(network.ok()) << network.status();
  at::NoGradGuard no_grad;
  const at::Tensor latent = at::randn({1, 4, 3, 3});  // no larger than a tile's stride
  EXPECT_TRUE(SameBytes((*network)->TiledDecode(latent), (*network)->Decode(latent)));
}

TEST(AutoencoderTiling, SampleSizeIsRead) {
  auto read = [](const char* text) -> absl::StatusOr<AutoencoderKLParams> {
    auto config = JsonObject::Parse(text, "vae/config.json");
    if (!config.ok()) return config.status();
    return AutoencoderKLParams::FromConfig(*config);
  };
  EXPECT_EQ(read("{}")->sample_size, 32);
  EXPECT_EQ(read(R"({"sample_size": 1024})")->sample_size, 1024);
  for (const char* text : {R"({"sample_size": 0})", R"({"sample_size": 100000})", R"({"sample_size": [64, 64]})"}) {
    const auto params = read(text);
    ASSERT_FALSE(params.ok()) << text;
    EXPECT_THAT(params.status().message(), HasSubstr("vae/config.json"));
    EXPECT_THAT(params.status().message(), HasSubstr("sample_size"));
  }
}

}  // namespace
}  // namespace easel

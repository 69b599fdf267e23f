#include "model/autoencoder/latent_preview.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::optional<LatentPreview>> Read(const std::string& text, int64_t latent_channels) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "vae/config.json");
  if (!config.ok()) return config.status();
  return LatentPreview::FromConfig(*config, latent_channels);
}

TEST(LatentPreview, DrawsByTheFactorsOfTheConfig) {
  const auto preview =
      Read(R"({"latent_rgb_factors": [[1, 0, 0.5], [0, 2, 0]], "latent_rgb_bias": [0, 0, -0.5]})",
           /*latent_channels=*/2);
  ASSERT_TRUE(preview.ok() && preview->has_value()) << preview.status();
  // Two positions beside each other: (1, -0.5) → rgb (1, -1, 0), and (-1, 0.5) → (-1, 1, -1).
  const auto image = (*preview)->Draw(at::tensor({1.0f, -1.0f, -0.5f, 0.5f}).view({2, 1, 2}));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, 2);
  EXPECT_EQ(image->height, 1);
  EXPECT_THAT(image->rgb, ElementsAre(255, 0, 128, 0, 255, 0));
}

TEST(LatentPreview, NoFactorsNoPreview) {
  const auto preview = Read("{}", /*latent_channels=*/4);
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_FALSE(preview->has_value());
}

TEST(LatentPreview, FactorsOfAnotherShapeAreAnError) {
  for (const char* text :
       {R"({"latent_rgb_factors": [[1, 0, 0]]})", R"({"latent_rgb_factors": [[1, 0, 0], [1, 0]]})"}) {
    const auto preview = Read(text, /*latent_channels=*/2);
    ASSERT_FALSE(preview.ok());
    EXPECT_THAT(std::string(preview.status().message()), HasSubstr("latent_rgb_factors"));
  }
  const auto preview =
      Read(R"({"latent_rgb_factors": [[1, 0, 0]], "latent_rgb_bias": [1]})", /*latent_channels=*/1);
  ASSERT_FALSE(preview.ok());
  EXPECT_THAT(std::string(preview.status().message()), HasSubstr("latent_rgb_bias"));
}

TEST(LatentPreview, FitFindsTheMapThatMadeThePixels) {
  const at::Tensor latents = at::randn({3, 5, 4, 6});
  const at::Tensor factors = at::randn({5, 3});
  const at::Tensor bias = at::tensor({0.1f, -0.2f, 0.3f});
  at::Tensor cells = (at::matmul(latents.permute({0, 2, 3, 1}), factors) + bias).permute({0, 3, 1, 2});
  // Pixels whose 2 × 2 cells have the wanted mean, but are not flat.
  at::Tensor pixels = at::upsample_nearest2d(cells, {8, 12});
  pixels += at::tensor({1.0f, -1.0f}).repeat({6});
  const LatentPreview preview = LatentPreview::Fit(latents, pixels);
  EXPECT_TRUE(at::allclose(preview.factors(), factors, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(preview.bias(), bias, 1e-4, 1e-5));
}

TEST(LatentPreview, FitOfAConstantChannelStaysFinite) {
  at::Tensor latents = at::randn({2, 3, 4, 4});
  latents.select(1, 1).zero_();
  const LatentPreview preview = LatentPreview::Fit(latents, at::rand({2, 3, 8, 8}));
  EXPECT_TRUE(at::isfinite(preview.factors()).all().item<bool>());
  EXPECT_TRUE(preview.Draw(latents[0]).ok());
}

TEST(LatentPreview, NotFiniteIsAnError) {
  const auto preview = Read(R"({"latent_rgb_factors": [[1, 0, 0]]})", /*latent_channels=*/1);
  ASSERT_TRUE(preview.ok() && preview->has_value());
  EXPECT_FALSE((*preview)->Draw(at::full({1, 2, 2}, std::numeric_limits<float>::quiet_NaN())).ok());
}

}  // namespace
}  // namespace easel

// The published VAEs' configs, built without memory for weights: each network asks for the tensors that
// diffusers' own class saves, in their shapes, and for no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "model/autoencoder/autoencoder_kl.h"
#include "tests/testing/published_shapes.h"

namespace easel {
namespace {

using testing::IsEmpty;

void ExpectAsksFor(const Shapes& shapes, const std::string& model) {
  JsonObject config = PublishedConfig(model);
  const absl::StatusOr<AutoencoderKLParams> params = AutoencoderKLParams::FromConfig(config);
  ASSERT_TRUE(params.ok()) << params.status();
  ShapeSource source(shapes);
  const AutoencoderKL network(*params, Weights(&source));
  EXPECT_THAT(source.Differences(), IsEmpty());
}

void ExpectPublishedShapes(const std::string& model) { ExpectAsksFor(PublishedShapes(model), model); }

TEST(TrueConfigs, StableDiffusionsVae) { ExpectPublishedShapes("vae_sd"); }  // DiT's and PixArt-alpha's too
TEST(TrueConfigs, SdxlsVae) { ExpectPublishedShapes("vae_sdxl"); }           // PixArt-Sigma's too
TEST(TrueConfigs, Sd3sVae) { ExpectPublishedShapes("vae_sd3"); }
TEST(TrueConfigs, Flux1sVae) { ExpectPublishedShapes("vae_flux1"); }

// Their files are of 2022, with the attention's names of that time.
TEST(TrueConfigs, StableDiffusionsVaeByItsOldNames) {
  Shapes old;
  for (const auto& [name, shape] : PublishedShapes("vae_sd")) {
    old[absl::StrReplaceAll(
        name,
        {{".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}})] =
        shape;
  }
  ASSERT_TRUE(old.contains("decoder.mid_block.attentions.0.proj_attn.weight"));
  ExpectAsksFor(old, "vae_sd");
}

}  // namespace
}  // namespace easel

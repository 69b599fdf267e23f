// The published transformers' configs, built without memory for weights: each network asks for the tensors
// that diffusers' own class saves, in their shapes, and for no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/transformers/dit.h"
#include "model/transformers/flux.h"
#include "model/transformers/mmdit.h"
#include "model/transformers/pixart.h"
#include "tests/testing/published_shapes.h"

namespace easel {
namespace {

using testing::IsEmpty;

template <class Network, class Params>
void ExpectPublishedShapes(const std::string& model) {
  JsonObject config = PublishedConfig(model);
  const absl::StatusOr<Params> params = Params::FromConfig(config);
  ASSERT_TRUE(params.ok()) << params.status();
  ShapeSource source(PublishedShapes(model));
  const Network network(*params, Weights(&source));
  EXPECT_THAT(source.Differences(), IsEmpty());
}

TEST(TrueConfigs, Flux1Dev) { ExpectPublishedShapes<Flux, FluxParams>("flux1_dev"); }
TEST(TrueConfigs, Flux1Schnell) { ExpectPublishedShapes<Flux, FluxParams>("flux1_schnell"); }
TEST(TrueConfigs, Sd3Medium) { ExpectPublishedShapes<MMDiT, MMDiTParams>("sd3_medium"); }
TEST(TrueConfigs, Sd35Medium) { ExpectPublishedShapes<MMDiT, MMDiTParams>("sd35_medium"); }
TEST(TrueConfigs, Sd35Large) { ExpectPublishedShapes<MMDiT, MMDiTParams>("sd35_large"); }
TEST(TrueConfigs, PixArtAlpha512) { ExpectPublishedShapes<PixArt, PixArtParams>("pixart_alpha_512"); }
TEST(TrueConfigs, PixArtAlpha1024) { ExpectPublishedShapes<PixArt, PixArtParams>("pixart_alpha_1024"); }
TEST(TrueConfigs, PixArtSigma1024) { ExpectPublishedShapes<PixArt, PixArtParams>("pixart_sigma_1024"); }
TEST(TrueConfigs, DiTXl2At256) { ExpectPublishedShapes<DiT, DiTParams>("dit_xl_2_256"); }
TEST(TrueConfigs, DiTXl2At512) { ExpectPublishedShapes<DiT, DiTParams>("dit_xl_2_512"); }

}  // namespace
}  // namespace easel

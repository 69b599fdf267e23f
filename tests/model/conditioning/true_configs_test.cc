// The published text encoders' configs, built without memory for weights: each network asks for the tensors
// that transformers' own class saves, in their shapes, and for no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/conditioning/clip_text_encoder.h"
#include "model/conditioning/t5_text_encoder.h"
#include "tests/testing/published_shapes.h"

namespace easel {
namespace {

using testing::IsEmpty;

void ExpectClipAsksFor(const Shapes& shapes, const std::string& model, TextProjection projection) {
  JsonObject config = PublishedConfig(model);
  const absl::StatusOr<ClipTextParams> params = ClipTextParams::FromConfig(config);
  ASSERT_TRUE(params.ok()) << params.status();
  ShapeSource source(shapes);
  const ClipTextEncoder encoder(*params, Weights(&source), projection);
  EXPECT_THAT(source.Differences(), IsEmpty());
}

void ExpectT5AsksFor(const Shapes& shapes) {
  JsonObject config = PublishedConfig("t5_xxl");
  const absl::StatusOr<T5TextParams> params = T5TextParams::FromConfig(config);
  ASSERT_TRUE(params.ok()) << params.status();
  ShapeSource source(shapes);
  const T5TextEncoder encoder(*params, Weights(&source));
  EXPECT_THAT(source.Differences(), IsEmpty());
}

TEST(TrueConfigs, ClipL) { ExpectClipAsksFor(PublishedShapes("clip_l"), "clip_l", TextProjection::kNo); }

// transformers 5 saves without the prefix; the published files have it.
TEST(TrueConfigs, ClipLAsPublished) {
  Shapes shapes;
  for (const auto& [name, shape] : PublishedShapes("clip_l")) shapes["text_model." + name] = shape;
  ExpectClipAsksFor(shapes, "clip_l", TextProjection::kNo);
}

TEST(TrueConfigs, ClipLWithProjection) {
  ExpectClipAsksFor(PublishedShapes("clip_l_projection"), "clip_l_projection", TextProjection::kYes);
}

TEST(TrueConfigs, ClipGWithProjection) {
  ExpectClipAsksFor(PublishedShapes("clip_g_projection"), "clip_g_projection", TextProjection::kYes);
}

TEST(TrueConfigs, T5Xxl) { ExpectT5AsksFor(PublishedShapes("t5_xxl")); }

// Files of other tools name the encoder's own table, or both.
TEST(TrueConfigs, T5XxlWithTheEncodersTable) {
  Shapes shapes = PublishedShapes("t5_xxl");
  shapes["encoder.embed_tokens.weight"] = shapes.at("shared.weight");
  ExpectT5AsksFor(shapes);
  shapes.erase("shared.weight");
  ExpectT5AsksFor(shapes);
}

}  // namespace
}  // namespace easel

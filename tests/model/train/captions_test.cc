#include "model/train/captions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace easel {
namespace {

EmojiPicture Apple() {
  EmojiPicture picture;
  picture.name = "red apple";
  picture.keywords = {"pome", "fruit", "orchard"};
  return picture;
}

TEST(CaptionSamplerTest, KindsComeInTheirShares) {
  std::mt19937_64 random(7);
  const CaptionSampler sampler;
  std::map<std::string, int> kinds;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const std::string caption = sampler.Sample(Apple(), random);
    ++kinds[caption == "red apple" ? "name" : caption.starts_with("red apple ") ? "both" : "keywords"];
  }
  EXPECT_NEAR(kinds["name"], 0.70 * kDraws, 0.02 * kDraws);
  EXPECT_NEAR(kinds["both"], 0.18 * kDraws, 0.02 * kDraws);
  EXPECT_NEAR(kinds["keywords"], 0.12 * kDraws, 0.02 * kDraws);
}

TEST(CaptionSamplerTest, TheNameGetsOneOrTwoDifferentKeywords) {
  std::mt19937_64 random(7);
  const CaptionSampler sampler({.name = 0, .name_and_keywords = 1});
  std::map<std::string, int> captions;
  for (int i = 0; i < 500; ++i) ++captions[sampler.Sample(Apple(), random)];
  EXPECT_EQ(captions.size(), 3u + 3 * 2);  // each single keyword, each ordered pair
  EXPECT_EQ(captions.count("red apple fruit"), 1u);
  EXPECT_EQ(captions.count("red apple orchard pome"), 1u);
}

TEST(CaptionSamplerTest, KeywordsAloneAreOneToThreeDifferentOnes) {
  std::mt19937_64 random(7);
  const CaptionSampler sampler({.name = 0, .name_and_keywords = 0});
  std::map<std::string, int> captions;
  for (int i = 0; i < 2000; ++i) ++captions[sampler.Sample(Apple(), random)];
  EXPECT_EQ(captions.size(), 3u + 6 + 6);
  EXPECT_EQ(captions.count("fruit"), 1u);
}

TEST(CaptionSamplerTest, WithoutKeywordsItIsTheName) {
  std::mt19937_64 random(7);
  EmojiPicture picture = Apple();
  picture.keywords.clear();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(CaptionSampler().Sample(picture, random), "red apple");
}

TEST(CaptionSamplerTest, OneSeedGivesOneSequence) {
  std::mt19937_64 first(3), second(3);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(CaptionSampler().Sample(Apple(), first), CaptionSampler().Sample(Apple(), second));
}

}  // namespace
}  // namespace easel

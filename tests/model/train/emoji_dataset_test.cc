#include "model/train/emoji_dataset.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace easel {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

#define SKIP_WITHOUT_PACKAGES()                                                                         \
  for (const char* path :                                                                               \
       {"/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "/usr/share/unicode/emoji/emoji-test.txt", \
        "/usr/share/unicode/cldr/common/annotations/en.xml"})                                           \
    if (!std::filesystem::exists(path))                                                                 \
  GTEST_SKIP() << path << " is missing: install fonts-noto-color-emoji, unicode-data and unicode-cldr-core"

const EmojiDataset& Loaded() {
  static const EmojiDataset dataset = EmojiDataset::Load({}).value();
  return dataset;
}

const EmojiPicture* Find(const std::string& name) {
  for (const EmojiPicture& picture : Loaded().pictures()) {
    if (picture.name == name) return &picture;
  }
  return nullptr;
}

const EmojiPicture& Get(const std::string& name) {
  const EmojiPicture* picture = Find(name);
  if (picture == nullptr) throw std::runtime_error("no picture named " + name);
  return *picture;
}

std::string ClassOf(const std::string& name) { return Loaded().class_names()[Get(name).label]; }

// Mean colour of the middle 16x16 pixels, [red, green, blue].
std::vector<int> Middle(const std::string& name) {
  const at::Tensor mean = Get(name).pixels.narrow(1, 24, 16).narrow(2, 24, 16).to(at::kFloat).mean({1, 2});
  return {mean[0].item<int>(), mean[1].item<int>(), mean[2].item<int>()};
}

TEST(EmojiDatasetTest, HasAThousandPicturesOfDifferentNames) {
  SKIP_WITHOUT_PACKAGES();
  EXPECT_GE(Loaded().pictures().size(), 1000u);
  std::set<std::string> names;
  for (const EmojiPicture& picture : Loaded().pictures()) {
    EXPECT_TRUE(names.insert(picture.name).second) << picture.name;
    EXPECT_THAT(picture.name, Not(HasSubstr("\u2019")));
    EXPECT_EQ(picture.name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ:"), std::string::npos) << picture.name;
  }
  for (const char* name :
       {"red apple", "hamburger", "pizza", "red heart", "cat face", "face with tears of joy", "automobile",
        "woman's hat", "thumbs up", "eye in speech bubble"}) {
    EXPECT_THAT(names, Contains(name));
  }
}

TEST(EmojiDatasetTest, LeavesOutSkinTonesClockFacesPeopleAndFlags) {
  SKIP_WITHOUT_PACKAGES();
  for (const char* name :
       {"thumbs up: dark skin tone", "three o'clock", "firefighter", "flag: france", "keycap: 1"}) {
    EXPECT_EQ(Find(name), nullptr) << name;
  }
}

TEST(EmojiDatasetTest, PicturesAreBytesOfTheirShapeOnWhite) {
  SKIP_WITHOUT_PACKAGES();
  for (const EmojiPicture& picture : Loaded().pictures()) {
    ASSERT_EQ(picture.pixels.sizes(), at::IntArrayRef({3, 64, 64})) << picture.name;
    ASSERT_EQ(picture.pixels.scalar_type(), at::kByte) << picture.name;
    const at::Tensor ink = 255 - picture.pixels.to(at::kFloat);
    EXPECT_GT(ink.mean().item<float>(), 1) << picture.name;
    // The strike is 136 wide and 128 high: what pads it to a square is white.
    EXPECT_EQ(ink.select(1, 0).max().item<float>(), 0) << picture.name;
    EXPECT_EQ(ink.select(1, 63).max().item<float>(), 0) << picture.name;
  }
}

TEST(EmojiDatasetTest, ColoursAreRedFirstAndUpright) {
  SKIP_WITHOUT_PACKAGES();
  const std::vector<int> red = Middle("red square"), blue = Middle("blue square");
  EXPECT_GT(red[0], red[2] + 100);
  EXPECT_GT(blue[2], blue[0] + 100);
  // The wide side of "red triangle pointed down" is above.
  const at::Tensor rows =
      (255 - Get("red triangle pointed down").pixels.to(at::kFloat)).sum(at::IntArrayRef{0, 2});
  EXPECT_GT(rows.narrow(0, 0, 32).sum().item<float>(), 1.5 * rows.narrow(0, 32, 32).sum().item<float>());
}

TEST(EmojiDatasetTest, NoTwoPicturesAreOneDrawing) {
  SKIP_WITHOUT_PACKAGES();
  EXPECT_EQ(Find("snowman without snow"), nullptr);  // the snowman but for a few flakes
  EXPECT_NE(Find("snowman"), nullptr);
  EXPECT_NE(Find("neutral face"), nullptr);  // alike, but not the same
  EXPECT_NE(Find("expressionless face"), nullptr);
}

TEST(EmojiDatasetTest, KeywordsComeFromBothAnnotationFilesWithoutTheName) {
  SKIP_WITHOUT_PACKAGES();
  EXPECT_EQ(Get("red apple").keywords, (std::vector<std::string>{"apple", "fruit", "red"}));
  EXPECT_THAT(Get("red heart").keywords, Contains("heart"));  // whose U+FE0F CLDR does not write
  EXPECT_THAT(Get("red heart").keywords, Not(Contains("red heart")));
  size_t with_keywords = 0;
  for (const EmojiPicture& picture : Loaded().pictures()) with_keywords += !picture.keywords.empty();
  EXPECT_GE(with_keywords * 10, Loaded().pictures().size() * 9);
}

TEST(EmojiDatasetTest, EveryClassHasItsPictures) {
  SKIP_WITHOUT_PACKAGES();
  std::map<int, int> sizes;
  for (const EmojiPicture& picture : Loaded().pictures()) ++sizes[picture.label];
  EXPECT_EQ(sizes.size(), Loaded().class_names().size());
  for (const auto& [label, size] : sizes) {
    ASSERT_GE(label, 0);
    ASSERT_LT(label, static_cast<int>(Loaded().class_names().size()));
    EXPECT_GE(size, 15) << Loaded().class_names()[label];
  }
  EXPECT_EQ(ClassOf("red apple"), "fruit");
  EXPECT_EQ(ClassOf("hamburger"), "meal, sweet");
  EXPECT_EQ(ClassOf("waffle"), "meal, sweet");
  EXPECT_EQ(ClassOf("cat face"), "mammal");
  EXPECT_EQ(Get("red apple").group, "Food & Drink");
  EXPECT_EQ(Get("red apple").subgroup, "food-fruit");
}

TEST(EmojiDatasetTest, AMissingFileIsNamedWithItsPackage) {
  EmojiDatasetOptions options;
  options.font = "/nowhere/font.ttf";
  const auto no_font = EmojiDataset::Load(options);
  EXPECT_EQ(no_font.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(no_font.status().message()), HasSubstr("/nowhere/font.ttf"));
  EXPECT_THAT(std::string(no_font.status().message()), HasSubstr("fonts-noto-color-emoji"));
}

TEST(EmojiDatasetTest, AMissingTextFileIsNamedWithItsPackage) {
  SKIP_WITHOUT_PACKAGES();
  EmojiDatasetOptions options;
  options.emoji_test = "/nowhere/emoji-test.txt";
  EXPECT_THAT(std::string(EmojiDataset::Load(options).status().message()),
              AllOf(HasSubstr("/nowhere/emoji-test.txt"), HasSubstr("unicode-data")));
  options = {};
  options.annotations.push_back("/nowhere/en.xml");
  EXPECT_THAT(std::string(EmojiDataset::Load(options).status().message()),
              AllOf(HasSubstr("/nowhere/en.xml"), HasSubstr("unicode-cldr-core")));
}

TEST(EmojiDatasetTest, AFileOfAnotherKindIsRefusedByName) {
  SKIP_WITHOUT_PACKAGES();
  const std::string path = ::testing::TempDir() + "/not_a_font.ttf";
  std::ofstream(path) << "plain text";
  EmojiDatasetOptions options;
  options.font = path;
  EXPECT_THAT(std::string(EmojiDataset::Load(options).status().message()), HasSubstr(path));
  options = {};
  options.emoji_test = path;
  EXPECT_THAT(std::string(EmojiDataset::Load(options).status().message()), HasSubstr(path));
  options = {};
  options.annotations = {path};
  EXPECT_THAT(std::string(EmojiDataset::Load(options).status().message()), HasSubstr(path));
}

}  // namespace
}  // namespace easel

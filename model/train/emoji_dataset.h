// The pictures the shipped model learns from: a colour emoji font with Unicode's names, groups and keywords.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

struct EmojiPicture {
  std::string name;                   // "red apple": lower case, straight apostrophes, unique in the data set
  std::vector<std::string> keywords;  // of CLDR, in the same spelling, without the name itself; may be empty
  std::string group, subgroup;        // as in emoji-test.txt: "Food & Drink", "food-fruit"
  int label = 0;                      // index into class_names()
  at::Tensor pixels;                  // (3, 64, 64) uint8, red first, on white
};

// Debian's packages: fonts-noto-color-emoji, unicode-data, unicode-cldr-core.
struct EmojiDatasetOptions {
  std::string font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
  std::string emoji_test = "/usr/share/unicode/emoji/emoji-test.txt";
  std::vector<std::string> annotations = {"/usr/share/unicode/cldr/common/annotations/en.xml",
                                          "/usr/share/unicode/cldr/common/annotationsDerived/en.xml"};
};

// Fully-qualified emoji without skin tones, of the subgroups in emoji_classes.cc, in emoji-test.txt's order.
// Of pictures that are practically one drawing only the first is kept. Immutable: any thread may read.
class EmojiDataset {
 public:
  // Takes a second or two. Errors name the file, and the Debian package that provides it when it is missing.
  static absl::StatusOr<EmojiDataset> Load(const EmojiDatasetOptions& options);

  const std::vector<EmojiPicture>& pictures() const { return pictures_; }
  const std::vector<std::string>& class_names() const;

 private:
  explicit EmojiDataset(std::vector<EmojiPicture> pictures) : pictures_(std::move(pictures)) {}

  std::vector<EmojiPicture> pictures_;
};

}  // namespace easel

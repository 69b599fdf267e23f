#include "model/train/captions.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace easel {
namespace {

// The standard's distributions differ between libraries; the generator's own words do not.
size_t Below(size_t limit, std::mt19937_64& random) { return random() % limit; }
double Unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// `count` different words (all of them when there are fewer), in random order, apart by a space.
std::string Pick(std::vector<std::string> words, size_t count, std::mt19937_64& random) {
  count = std::min(count, words.size());
  for (size_t i = 0; i < count; ++i) std::swap(words[i], words[i + Below(words.size() - i, random)]);
  words.resize(count);
  return absl::StrJoin(words, " ");
}

}  // namespace

std::string CaptionSampler::Sample(const EmojiPicture& picture, std::mt19937_64& random) const {
  const double kind = Unit(random);
  if (picture.keywords.empty() || kind < shares_.name) return picture.name;
  if (kind < shares_.name + shares_.name_and_keywords) {
    return absl::StrCat(picture.name, " ", Pick(picture.keywords, 1 + Below(2, random), random));
  }
  return Pick(picture.keywords, 1 + Below(3, random), random);
}

}  // namespace easel

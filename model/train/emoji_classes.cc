#include "model/train/emoji_classes.h"

#include <algorithm>

namespace easel {
namespace {

struct Row {
  const char* class_name;  // or several names that it answers to, comma-separated as in id2label
  std::vector<std::string_view> subgroups;
  std::vector<std::string_view> names = {};  // single emoji that belong here whatever their subgroup says
};

// Left out: people and flags; clock faces (24 of one drawing, see the data set); arrows, letters and other
// marks in a box.
const std::vector<Row>& Rows() {
  static const std::vector<Row> rows = {
      {"smiling face", {"face-smiling", "face-affection", "face-tongue", "face-hat", "face-glasses"}},
      {"unhappy face",
       {"face-neutral-skeptical", "face-hand", "face-sleepy", "face-concerned", "face-negative", "face-unwell"}},
      {"creature face", {"face-costume", "cat-face", "monkey-face"}},
      {"heart", {"heart"}},
      {"hand, body",
       {"hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed", "hands",
        "hand-prop", "body-parts"}},
      {"mammal", {"animal-mammal"}},
      {"bird", {"animal-bird"}},
      {"fish, reptile, insect",
       {"animal-marine", "food-marine", "animal-reptile", "animal-amphibian", "animal-bug"}},
      {"plant", {"plant-flower", "plant-other"}},
      {"fruit", {"food-fruit"}},
      {"vegetable", {"food-vegetable"}},
      {"meal, sweet", {"food-prepared", "food-asian", "food-sweet"}, {"pancakes", "waffle"}},
      {"drink", {"drink", "dishware"}},
      {"landscape", {"place-map", "place-geographic", "place-other"}},
      {"building", {"place-building", "place-religious"}},
      {"vehicle, ship, aircraft", {"transport-ground", "transport-water", "transport-air"}},
      {"sky, weather", {"sky & weather"}},
      {"celebration, game", {"event", "award-medal", "game", "arts & crafts"}},
      {"sport", {"sport"}},
      {"clothing", {"clothing"}},
      {"music", {"sound", "music", "musical-instrument"}},
      {"electronics", {"phone", "computer", "light & video"}},
      {"office, book", {"office", "writing", "money", "book-paper", "mail"}},
      {"tool, medicine", {"tool", "lock", "science", "medical"}},
      {"household", {"household", "hotel", "time", "other-object"}},
      {"shape, sign", {"geometric", "warning", "emotion"}},
  };
  return rows;
}

}  // namespace

const std::vector<std::string>& EmojiClassNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Row& row : Rows()) result.emplace_back(row.class_name);
    return result;
  }();
  return names;
}

int EmojiClassOf(std::string_view name, std::string_view subgroup) {
  const auto has = [](const std::vector<std::string_view>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  int by_subgroup = -1;
  for (int i = 0; i < static_cast<int>(Rows().size()); ++i) {
    if (has(Rows()[i].names, name)) return i;
    if (has(Rows()[i].subgroups, subgroup)) by_subgroup = i;
  }
  return by_subgroup;
}

}  // namespace easel

// Which kinds of emoji the model learns, and under which class.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace easel {

// The classes in order: a picture's label is an index into them (trained weights depend on the order). Plain
// words that a user would type.
const std::vector<std::string>& EmojiClassNames();

// The class index of an emoji of emoji-test.txt with this (normalised) name and subgroup; -1: not among our
// pictures.
int EmojiClassOf(std::string_view name, std::string_view subgroup);

}  // namespace easel

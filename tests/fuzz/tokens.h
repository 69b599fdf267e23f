// What every tokenizer holds to, whatever its files and its text.
#pragma once

#include <algorithm>
#include <string_view>

#include "model/conditioning/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace easel {

inline void TokenizeAndRequire(const Tokenizer& tokenizer, std::string_view text) {
  const Tokens tokens = tokenizer.Tokenize(text);
  const size_t length = tokenizer.max_length();
  Require(tokens.ids.size() == length && tokens.mask.size() == length, "not max_length tokens");
  Require(std::all_of(tokens.ids.begin(), tokens.ids.end(),
                      [&](int64_t id) { return id >= 0 && id < tokenizer.vocab_size(); }),
          "an id that is not in the vocabulary");
  Require(std::is_sorted(tokens.mask.rbegin(), tokens.mask.rend()) && tokens.mask[0] == 1,
          "a mask that is not ones and then zeros");
  Require(tokens.cut == 0 || (tokens.cut > 0 && tokens.mask.back() == 1), "cut, though there was room");
}

}  // namespace easel

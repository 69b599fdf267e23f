// Text to token ids, behind one interface.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace easel {

// One prompt, padded to the tokenizer's max_length. A plain value.
struct Tokens {
  std::vector<int64_t> ids;   // max_length of them
  std::vector<uint8_t> mask;  // as long; 1: a token of the prompt, its start and end included; 0: padding
  int cut = 0;  // tokens of the prompt that did not fit and were cut off its end; the end token is kept
};

// A prompt's ids, with its start but without its end: cut where they and the end do not fit into max_length (≥ 1), ended, padded.
Tokens CutAndPad(std::vector<int64_t> ids, int64_t max_length, int64_t end, int64_t padding);

// Immutable; usable from any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Any bytes; what is not UTF-8 is read as U+FFFD. A megabyte takes less than a second or so.
  virtual Tokens Tokenize(std::string_view text) const = 0;
  virtual int64_t max_length() const = 0;
  virtual int64_t vocab_size() const = 0;  // every id is below
};

}  // namespace easel

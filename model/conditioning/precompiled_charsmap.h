// SentencePiece's normalization as its models carry it: a table of strings and what they become, made before
// training from Unicode's NFKC and more. Its bytes:
//
//   size of the trie (u32) │ trie: units (u32), a double array │ replacements, each with a NUL at its end
//
// All integers are little-endian. A unit holds its label (bits 0-7), whether a value hangs below it (bit 8)
// and the offset to its children (bits 10-31, times 256 if bit 9 is set); a value is where its replacement
// begins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

// Immutable; usable from any thread.
class PrecompiledCharsmap {
 public:
  // `bytes`: as above; none at all: a map that changes nothing. An error says what is wrong.
  static absl::StatusOr<PrecompiledCharsmap> Parse(std::string_view bytes);

  // As tokenizers' Precompiled (not as SentencePiece itself, which takes the longest match at each byte): a
  // grapheme cluster shorter than six bytes becomes what the shortest of its beginnings in the map becomes;
  // where there is none, and in longer clusters, so does each code point by itself.
  std::u32string Normalize(std::u32string_view text) const;

 private:
  PrecompiledCharsmap() = default;
  // What the shortest beginning of `text` in the map becomes; nothing when none is.
  std::optional<std::u32string> Replacement(std::u32string_view text) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace easel

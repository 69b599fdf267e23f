#include "model/conditioning/precompiled_charsmap.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "model/conditioning/grapheme.h"
#include "model/conditioning/unicode_text.h"

namespace easel {
namespace {

constexpr size_t kLongestCluster = 5;  // in bytes, to be looked up as a whole

uint32_t ReadU32(const char* bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

bool HasValue(uint32_t unit) { return unit >> 8 & 1; }
uint32_t Label(uint32_t unit) { return unit & (uint32_t{1} << 31 | 0xFF); }  // a value's is no byte
uint32_t Offset(uint32_t unit) { return unit >> 10 << (unit & 1 << 9 ? 8 : 0); }
uint32_t Value(uint32_t unit) { return unit & ~(uint32_t{1} << 31); }

size_t Utf8Size(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

bool IsShort(std::u32string_view cluster) {
  size_t size = 0;
  for (size_t i = 0; i < cluster.size() && size <= kLongestCluster; ++i) size += Utf8Size(cluster[i]);
  return size <= kLongestCluster;
}

}  // namespace

absl::StatusOr<PrecompiledCharsmap> PrecompiledCharsmap::Parse(std::string_view bytes) {
  PrecompiledCharsmap map;
  if (bytes.empty()) return map;
  if (bytes.size() < 4) return absl::InvalidArgumentError("is too short");
  const size_t size = ReadU32(bytes.data());
  bytes.remove_prefix(4);
  if (size == 0 || size % 4 != 0 || size > bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("has a trie of ", size, " bytes, with ", bytes.size(), " bytes left"));
  }
  map.units_.reserve(size / 4);
  for (size_t i = 0; i < size; i += 4) map.units_.push_back(ReadU32(bytes.data() + i));
  map.replacements_ = bytes.substr(size);
  if (EncodeUtf8(DecodeUtf8(map.replacements_)) != map.replacements_) {
    return absl::InvalidArgumentError("has replacements that are not UTF-8");
  }
  return map;
}

std::optional<std::u32string> PrecompiledCharsmap::Replacement(std::u32string_view text) const {
  // Positions are checked at each step: nothing says that a file's trie stays within its array.
  if (units_.empty()) return {};
  size_t position = Offset(units_[0]);
  for (const char byte : EncodeUtf8(text)) {
    const uint8_t label = byte;
    position ^= label;
    if (label == 0 || position >= units_.size() || Label(units_[position]) != label) return {};
    const bool has_value = HasValue(units_[position]);
    position ^= Offset(units_[position]);
    if (!has_value) continue;
    if (position >= units_.size() || Value(units_[position]) > replacements_.size()) return {};
    const char* replacement = replacements_.c_str() + Value(units_[position]);
    return DecodeUtf8({replacement, std::strlen(replacement)});
  }
  return {};
}

std::u32string PrecompiledCharsmap::Normalize(std::u32string_view text) const {
  if (units_.empty()) return std::u32string(text);
  std::u32string result;
  result.reserve(text.size());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = GraphemeEnd(text, begin);
    const std::u32string_view cluster = text.substr(begin, end - begin);
    begin = end;
    if (IsShort(cluster)) {
      if (std::optional<std::u32string> replacement = Replacement(cluster)) {
        result += *replacement;
        continue;
      }
    }
    for (const char32_t& c : cluster) {
      if (std::optional<std::u32string> replacement = Replacement({&c, 1})) {
        result += *replacement;
      } else {
        result.push_back(c);
      }
    }
  }
  return result;
}

}  // namespace easel

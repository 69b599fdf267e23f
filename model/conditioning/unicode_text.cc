#include "model/conditioning/unicode_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

namespace easel {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// What may follow the first byte of a character: how many bytes, and the range of the second one (the others
// are 80..BF). The ranges keep out overlong forms, surrogates and what lies beyond U+10FFFF.
struct Sequence {
  int length;
  uint8_t second_low = 0x80, second_high = 0xBF;
};

Sequence SequenceOf(uint8_t first) {
  if (first < 0x80) return {1};
  if (first < 0xC2) return {0};
  if (first < 0xE0) return {2};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first < 0xF0) return {3};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first < 0xF4) return {4};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

int CombiningClass(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

}  // namespace

std::u32string DecodeUtf8(std::string_view bytes) {
  std::u32string text;
  text.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const uint8_t first = bytes[i++];
    const Sequence sequence = SequenceOf(first);
    char32_t c = sequence.length <= 1 ? first : first & (0xFF >> (sequence.length + 1));
    bool valid = sequence.length > 0;
    for (int k = 1; k < sequence.length && valid; ++k) {
      const uint8_t low = k == 1 ? sequence.second_low : 0x80, high = k == 1 ? sequence.second_high : 0xBF;
      const uint8_t next = i < bytes.size() ? bytes[i] : 0;
      valid = next >= low && next <= high;
      if (valid) {
        c = c << 6 | (next & 0x3F);
        ++i;
      }
    }
    text.push_back(valid ? c : kReplacement);
  }
  return text;
}

std::string EncodeUtf8(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  utf8proc_uint8_t encoded[4];
  for (char32_t c : text) {
    bytes.append(reinterpret_cast<char*>(encoded),
                 utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), encoded));
  }
  return bytes;
}

std::u32string ComposeNfc(std::u32string_view text) {
  std::vector<utf8proc_int32_t> decomposed;
  decomposed.reserve(text.size());
  for (char32_t c : text) {
    utf8proc_int32_t parts[8];  // a canonical decomposition has at most four
    int boundary = 0;
    const utf8proc_ssize_t n =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 8, UTF8PROC_DECOMPOSE, &boundary);
    decomposed.insert(decomposed.end(), parts, parts + n);
  }
  // Canonical order. Not by utf8proc_decompose, which sorts a run of marks in quadratic time.
  auto is_starter = [](utf8proc_int32_t c) { return CombiningClass(c) == 0; };
  for (auto run = decomposed.begin(); run != decomposed.end();) {
    run = std::find_if_not(run, decomposed.end(), is_starter);
    const auto end = std::find_if(run, decomposed.end(), is_starter);
    std::stable_sort(run, end, [](auto a, auto b) { return CombiningClass(a) < CombiningClass(b); });
    run = end;
  }
  const utf8proc_ssize_t length =
      utf8proc_normalize_utf32(decomposed.data(), decomposed.size(),
                               static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  return std::u32string(decomposed.begin(), decomposed.begin() + length);
}

std::u32string ToLower(std::u32string_view text) {
  std::u32string lower;
  lower.reserve(text.size());
  for (char32_t c : text) {
    if (c == 0x130) {
      lower += U"i\u0307";  // the only code point whose lower case is two
    } else {
      lower.push_back(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    }
  }
  return lower;
}

bool IsWhiteSpace(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsLetter(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return true;
    default:
      return false;
  }
}

bool IsNumber(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

}  // namespace easel

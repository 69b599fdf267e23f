#include "model/conditioning/unicode_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
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

// The reference's libraries and utf8proc 2.8, which knows Unicode 15, are not of one Unicode version. In the
// tables below is what differs.
struct Range {
  char32_t first, last;
};

// tokenizers composes by Unicode 9: marks and pairs that came later are nothing special.
constexpr Range kNotInNfc[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},     {0xC3C, 0xC3C},
    {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},
    {0xA82C, 0xA82C},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
    {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
    {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
};
// Its regular expressions are Unicode 16's.
constexpr Range kMoreLetters[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
    {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D},
};
constexpr Range kMoreNumbers[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
    {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};
// Its lower case is Unicode 17's: of every second code point in the range, or of each.
struct LowerRange {
  char32_t first, last;
  int step, distance;
};
constexpr LowerRange kMoreLower[] = {
    {0x1C89, 0x1C89, 1, 1},      {0xA7CB, 0xA7CB, 1, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CE, 2, 1},      {0xA7D2, 0xA7D4, 2, 1},
    {0xA7DA, 0xA7DA, 1, 1},      {0xA7DC, 0xA7DC, 1, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 1, 0x20}, {0x16EA0, 0x16EB8, 1, 0x1B},
};

// The range that holds `c`; null when there is none.
template <class AnyRange, size_t n>
const AnyRange* FindRange(const AnyRange (&ranges)[n], char32_t c) {
  const auto range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                      [](const AnyRange& r, char32_t value) { return r.last < value; });
  return range != std::end(ranges) && range->first <= c ? range : nullptr;
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

namespace {

// NFC by utf8proc's version of Unicode.
void AppendComposed(std::u32string_view text, std::u32string* result) {
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
  result->append(decomposed.begin(), decomposed.begin() + length);
}

}  // namespace

std::u32string ComposeNfc(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t begin = i;
    while (i < text.size() && !FindRange(kNotInNfc, text[i])) ++i;
    if (i > begin) AppendComposed(text.substr(begin, i - begin), &result);
    if (i < text.size()) result.push_back(text[i]);  // nothing is composed or reordered across it
  }
  return result;
}

std::u32string ToLower(std::u32string_view text) {
  std::u32string lower;
  lower.reserve(text.size());
  for (char32_t c : text) {
    if (c == 0x130) {
      lower += U"i\u0307";  // the only code point whose lower case is two
    } else if (const LowerRange* range = FindRange(kMoreLower, c);
               range && (c - range->first) % range->step == 0) {
      lower.push_back(c + range->distance);
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
  if (FindRange(kMoreLetters, c)) return true;
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
  if (FindRange(kMoreNumbers, c)) return true;
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

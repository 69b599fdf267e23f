#include "model/conditioning/grapheme.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace easel {
namespace {

// What utf8proc may not know, as it knows Unicode 15 or any later one: for each range a character that breaks
// as its characters do.
constexpr char32_t kMark = 0x301, kPrepended = 0x600, kLetter = 'a';
struct Range {
  char32_t first, last, stand_in;
};
constexpr Range kSinceUnicode15[] = {
    {0x897, 0x897, kMark},     {0x1ACF, 0x1ADD, kMark},        {0x1AE0, 0x1AEB, kMark},
    {0x10D69, 0x10D6D, kMark}, {0x10EFA, 0x10EFC, kMark},      {0x113B8, 0x113C0, kMark},
    {0x113C2, 0x113C2, kMark}, {0x113C5, 0x113C5, kMark},      {0x113C7, 0x113CA, kMark},
    {0x113CC, 0x113D0, kMark}, {0x113D1, 0x113D1, kPrepended}, {0x113D2, 0x113D2, kMark},
    {0x113E1, 0x113E2, kMark}, {0x11A3A, 0x11A3A, kLetter},    {0x11B60, 0x11B67, kMark},
    {0x11F5A, 0x11F5A, kMark}, {0x1611E, 0x1612F, kMark},      {0x1E5EE, 0x1E5EF, kMark},
    {0x1E6E3, 0x1E6E3, kMark}, {0x1E6E6, 0x1E6E6, kMark},      {0x1E6EE, 0x1E6EF, kMark},
    {0x1E6F5, 0x1E6F5, kMark},
};

utf8proc_int32_t StandIn(char32_t c) {
  const auto range = std::lower_bound(std::begin(kSinceUnicode15), std::end(kSinceUnicode15), c,
                                      [](const Range& r, char32_t value) { return r.last < value; });
  const bool found = range != std::end(kSinceUnicode15) && range->first <= c;
  return static_cast<utf8proc_int32_t>(found ? range->stand_in : c);
}

}  // namespace

size_t GraphemeEnd(std::u32string_view text, size_t begin) {
  utf8proc_int32_t state = 0;
  size_t end = begin + 1;
  while (end < text.size() &&
         !utf8proc_grapheme_break_stateful(StandIn(text[end - 1]), StandIn(text[end]), &state)) {
    ++end;
  }
  return end;
}

}  // namespace easel

// Grapheme clusters: what a reader takes for one character, such as a letter and its accents.
#pragma once

#include <cstddef>
#include <string_view>

namespace easel {

// Where the extended grapheme cluster that begins at `begin` ends, by Unicode 17. REQUIRES: `begin` is the
// start of `text` or the end of a cluster, and less than text.size().
size_t GraphemeEnd(std::u32string_view text, size_t begin);

}  // namespace easel

// Text as code points, and the few properties of them that tokenizers ask for. Where Unicode's versions
// differ, as the libraries under transformers 5 (tokenizers 0.23) have it.
#pragma once

#include <string>
#include <string_view>

namespace easel {

// Any bytes → code points. What is not UTF-8 becomes U+FFFD, one for each maximal part of a character, as
// Python's bytes.decode("utf-8", errors="replace") does.
std::u32string DecodeUtf8(std::string_view bytes);
std::string EncodeUtf8(std::u32string_view text);

// Normalization form C, in time n log n for any text; what Unicode has had only since version 10 stays as it
// is.
std::u32string ComposeNfc(std::u32string_view text);

// Full lower-casing of each code point by itself (so a sigma never becomes a final one).
std::u32string ToLower(std::u32string_view text);

bool IsWhiteSpace(char32_t c);  // Unicode's White_Space
bool IsLetter(char32_t c);      // general category L
bool IsNumber(char32_t c);      // general category N

}  // namespace easel

// Bytes to code points, normalization, case and categories, at the edges that the golden texts may miss.
#include "model/conditioning/unicode_text.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

TEST(DecodeUtf8, ReadsEveryLength) {
  EXPECT_EQ(DecodeUtf8("a\u00e9\u20ac\U0001f600"), U"a\u00e9\u20ac\U0001f600");
  EXPECT_EQ(DecodeUtf8(std::string_view("\0x", 2)), std::u32string_view(U"\0x", 2));
}

// The replacements that Python's errors="replace" makes.
TEST(DecodeUtf8, ReplacesEachMaximalPart) {
  EXPECT_EQ(DecodeUtf8("\xff"), U"\ufffd");
  EXPECT_EQ(DecodeUtf8("\xc3"), U"\ufffd");
  EXPECT_EQ(DecodeUtf8("\xe2\x82"
                       "A"),
            U"\ufffdA");
  EXPECT_EQ(DecodeUtf8("\xf0\x9f\x98"), U"\ufffd");
  EXPECT_EQ(DecodeUtf8("\xc0\x80"), U"\ufffd\ufffd");
  EXPECT_EQ(DecodeUtf8("\xed\xa0\x80"), U"\ufffd\ufffd\ufffd");
  EXPECT_EQ(DecodeUtf8("\xf4\x90\x80\x80"), U"\ufffd\ufffd\ufffd\ufffd");
}

TEST(EncodeUtf8, UndoesDecode) {
  const std::u32string text = U"a\u00e9\u20ac\U0001f600\U0010ffff";
  EXPECT_EQ(DecodeUtf8(EncodeUtf8(text)), text);
}

TEST(ComposeNfc, OrdersAndComposes) {
  EXPECT_EQ(ComposeNfc(U"e\u0301"), U"\u00e9");
  EXPECT_EQ(ComposeNfc(U"q\u0307\u0323"), U"q\u0323\u0307");
  EXPECT_EQ(ComposeNfc(U"\u1100\u1161\u11a8"), U"\uac01");
  EXPECT_EQ(ComposeNfc(U"\u212b\ufb01"), U"\u00c5\ufb01");  // canonical, not compatible
}

// As tokenizers composes, by Unicode 9: what came later is no mark, and no pair.
TEST(ComposeNfc, LeavesWhatIsNewerThanUnicode9) {
  EXPECT_EQ(ComposeNfc(U"e\u0898\u0301"), U"e\u0898\u0301");
  EXPECT_EQ(ComposeNfc(U"\U00011935\U00011930"), U"\U00011935\U00011930");
  EXPECT_EQ(ComposeNfc(U"e\u0301\u0898e\u0301\u0898"), U"\u00e9\u0898\u00e9\u0898");
}

// A sort that is quadratic in the marks of one base would take minutes here.
TEST(ComposeNfc, OrdersManyMarks) {
  const size_t n = 200000;
  const std::u32string above(n, U'\u0307'), below(n, U'\u0323');
  EXPECT_TRUE(ComposeNfc(U"q" + above + below) == U"q" + below + above);
}

TEST(ToLower, IsFullAndOfEachAlone) {
  EXPECT_EQ(ToLower(U"AZ\u00c9\u1e9e\U00010400"), U"az\u00e9\u00df\U00010428");
  EXPECT_EQ(ToLower(U"\u039f\u03a3"), U"\u03bf\u03c3");
  EXPECT_EQ(ToLower(U"\u0130"), U"i\u0307");
  EXPECT_EQ(ToLower(U"\ua7cb\ua7cc\ua7cd\ua7dc\U00016ea0"),
            U"\u0264\ua7cd\ua7cd\u019b\U00016ebb");  // Unicode 17
}

TEST(Categories, AreUnicodes) {
  for (char32_t c : U"\t\r \u0085\u00a0\u2028\u3000") {
    if (c != 0) {
      EXPECT_TRUE(IsWhiteSpace(c)) << static_cast<uint32_t>(c);
    }
  }
  for (char32_t c : U"a\u200b\u180e\ufeff\x1f") EXPECT_FALSE(IsWhiteSpace(c)) << static_cast<uint32_t>(c);
  for (char32_t c : {U'a', U'\u01c5', U'\u02b0', U'\u4e09'})
    EXPECT_TRUE(IsLetter(c)) << static_cast<uint32_t>(c);
  for (char32_t c : {U'1', U'\u2160', U'\u00bd', U'\u0663'})
    EXPECT_TRUE(IsNumber(c)) << static_cast<uint32_t>(c);
  EXPECT_FALSE(IsLetter(U'\u0301'));
  EXPECT_FALSE(IsNumber(U'\u24b6'));  // a circled letter is neither
  EXPECT_FALSE(IsLetter(U'\u24b6'));
}

}  // namespace
}  // namespace easel

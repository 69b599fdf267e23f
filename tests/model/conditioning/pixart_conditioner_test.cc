// PixArtCaption against Python's lower and strip, at every code point that Python knows
// (tests/golden/parts/pipelines.py).
#include "model/conditioning/pixart_conditioner.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/conditioning/unicode_text.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

enum Kind { kCased, kIgnored, kNeither, kUnassigned };

constexpr int64_t kHashed = 4096;  // code points in each of the golden's hashes
constexpr char32_t kCodePoints = 0x110000;

// The Kind of every code point.
std::vector<uint8_t> Kinds(const SafetensorsFile& golden) {
  const at::Tensor starts = golden.Get("starts").to(at::kLong), kinds = golden.Get("kinds");
  std::vector<uint8_t> result(kCodePoints);
  for (int64_t run = 0; run < starts.size(0); ++run) {
    const int64_t end = run + 1 < starts.size(0) ? starts[run + 1].item<int64_t>() : kCodePoints;
    std::fill(result.begin() + starts[run].item<int64_t>(), result.begin() + end, kinds[run].item<uint8_t>());
  }
  return result;
}

std::string Caption(std::u32string_view text) { return PixArtCaption(EncodeUtf8(text)); }

TEST(PixArtCaption, LowersAndStripsEveryCodePoint) {
  const GoldenTensors golden = LoadGolden("pipelines/captions.safetensors");
  const std::vector<uint8_t> kinds = Kinds(*golden);
  const at::Tensor hashes = golden->Get("hashes");
  ASSERT_EQ(hashes.size(0), kCodePoints / kHashed);
  for (int64_t group = 0; group < hashes.size(0); ++group) {
    uint64_t hash = 0xCBF29CE484222325;
    for (char32_t c = group * kHashed; c < (group + 1) * kHashed; ++c) {
      if (kinds[c] == kUnassigned) continue;
      for (char byte : Caption({&c, 1})) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
    }
    EXPECT_EQ(static_cast<int64_t>(hash >> 1), hashes[group].item<int64_t>()) << group;
  }
}

TEST(PixArtCaption, KnowsTheSigmaAtAWordsEnd) {
  const std::vector<uint8_t> kinds = Kinds(*LoadGolden("pipelines/captions.safetensors"));
  auto ends_final = [](const std::string& s) { return s.ends_with("ς"); };
  for (char32_t c = 0; c < kCodePoints; ++c) {
    if (kinds[c] == kUnassigned) continue;
    const std::u32string alone = {c, U'Σ'}, after = {U'A', c, U'Σ'}, before = {U'A', U'Σ', c, U'A'};
    EXPECT_EQ(ends_final(Caption(alone)), kinds[c] == kCased) << std::hex << static_cast<uint32_t>(c);
    EXPECT_EQ(ends_final(Caption(after)), kinds[c] != kNeither) << std::hex << static_cast<uint32_t>(c);
    EXPECT_EQ(Caption(before).starts_with("aς"), kinds[c] == kNeither)
        << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(PixArtCaption, OfAFewPrompts) {
  EXPECT_EQ(PixArtCaption(""), "");
  EXPECT_EQ(PixArtCaption(" \t\n\x1C\x1F\u00A0\u3000"), "");
  EXPECT_EQ(PixArtCaption("\x1C  A Red  APPLE \u2003\x1F"), "a red  apple");  // what is inside stays
  EXPECT_EQ(PixArtCaption("\u200B A \u200B"), "\u200B a \u200B");             // no white space
  EXPECT_EQ(PixArtCaption("ΟΔΟΣ ΣΟΦΙΑΣ Σ ΑΣ. ΑΣ.Α İ"), "οδος σοφιας σ ας. ασ.α i\u0307");
  EXPECT_EQ(PixArtCaption("\xFF"
                          "A\xC3"),
            "\uFFFD"
            "a\uFFFD");
}

}  // namespace
}  // namespace easel

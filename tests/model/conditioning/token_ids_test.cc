// T5Tokenizer and ClipTokenizer against transformers on 20,000 generated strings
// (tests/golden/parts/token_ids.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "model/conditioning/clip_tokenizer.h"
#include "model/conditioning/t5_tokenizer.h"
#include "model/conditioning/unicode_text.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/";
constexpr int64_t kT5Length = 128;
constexpr char32_t kSweepEnd = 0x34000, kSweepStep = 8, kSweepGroup = 16;

// As the part's Generator and generated_string.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_((seed + 1) * 0x9E3779B97F4A7C15) {}
  uint64_t Below(uint64_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % n;
  }

 private:
  uint64_t state_;
};

std::string GeneratedString(uint64_t index, const std::vector<std::string>& fragments) {
  Generator g(index);
  std::string result;
  auto append = [&](char32_t c) { result += EncodeUtf8(std::u32string(1, c)); };
  uint64_t parts = g.Below(12);
  if (g.Below(200) == 0) parts *= 100;
  for (uint64_t i = 0; i < parts; ++i) {
    const uint64_t kind = g.Below(16);
    if (kind < 10) {
      result += fragments[g.Below(fragments.size())];
    } else if (kind < 12) {
      result += ' ';
    } else if (kind < 14) {
      const uint64_t bits = 7 + g.Below(14);
      const char32_t c = static_cast<char32_t>(g.Below(uint64_t{1} << bits));
      append(c >= 0xD800 && c < 0xE000 ? U'?' : c);
    } else if (kind == 14) {
      append(static_cast<char32_t>(0x300 + g.Below(0x70)));
    } else {
      result += static_cast<char>(g.Below(256));
    }
  }
  return result;
}

// As sweep_string.
std::string SweepString(char32_t first) {
  std::u32string result;
  for (char32_t c = first; c < first + kSweepStep; ++c) {
    if (c < 0xD800 || c >= 0xE000) result += std::u32string{U'e', c, U'\u0323', U'\u0301'};
  }
  return EncodeUtf8(result);
}

std::vector<std::string> Fragments(const GoldenTensors& golden) {
  const at::Tensor bytes = golden->Get("fragments"), ends = golden->Get("fragment_ends");
  const char* begin = reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>());
  std::vector<std::string> fragments;
  for (int64_t i = 0; i < ends.numel(); ++i) {
    const char* end =
        reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()) + ends[i].item<int64_t>();
    fragments.emplace_back(begin, end);
    begin = end;
  }
  return fragments;
}

std::vector<int64_t> WithoutPadding(const Tokens& tokens) {
  return {tokens.ids.begin(),
          tokens.ids.begin() + std::count(tokens.mask.begin(), tokens.mask.end(), uint8_t{1})};
}

// As hash_of.
struct Hash {
  uint64_t state = 0xCBF29CE484222325;
  void Add(int64_t value) { state = (state ^ static_cast<uint64_t>(value)) * 0x100000001B3; }
  void Add(const std::vector<int64_t>& values) {
    for (int64_t value : values) Add(value);
  }
  int16_t value() const { return static_cast<int16_t>(state >> 48); }
};

struct Named {
  std::string name;  // in the golden file
  std::unique_ptr<Tokenizer> tokenizer;
};

void ExpectGoldenIds(const std::string& kind, const std::vector<Named>& tokenizers) {
  const GoldenTensors golden = LoadGolden("token_ids/strings.safetensors");
  const std::vector<std::string> fragments = Fragments(golden);
  // The first strings' ids one by one: what the hashes alone could not show.
  for (const Named& named : tokenizers) {
    const at::Tensor counts = golden->Get(named.name + ".counts"),
                     ids = golden->Get(named.name + ".ids").to(at::kLong);
    const int64_t* begin = ids.const_data_ptr<int64_t>();
    ASSERT_GE(counts.numel(), 100);
    for (int64_t i = 0; i < counts.numel(); ++i) {
      const std::string text = GeneratedString(i, fragments);
      const int64_t* end = begin + counts[i].item<int64_t>();
      ASSERT_EQ(WithoutPadding(named.tokenizer->Tokenize(text)), std::vector<int64_t>(begin, end))
          << named.name << ", string " << i << ": " << testing::PrintToString(text);
      begin = end;
    }
  }
  const at::Tensor hashes = golden->Get(kind + ".hashes");
  const int16_t* expected = hashes.const_data_ptr<int16_t>();
  ASSERT_GE(hashes.numel(), 20000);
  int wrong = 0;
  for (int64_t i = 0; i < hashes.numel(); ++i) {
    const std::string text = GeneratedString(i, fragments);
    Hash hash;
    std::string all_ids;
    for (const Named& named : tokenizers) {
      const Tokens tokens = named.tokenizer->Tokenize(text);
      const std::vector<int64_t> ids = WithoutPadding(tokens);
      hash.Add(ids);
      hash.Add(tokens.cut);
      all_ids += named.name + ": " + testing::PrintToString(ids) + "\n";
    }
    if (hash.value() == expected[i]) continue;
    if (++wrong <= 20)
      ADD_FAILURE() << "string " << i << ": " << testing::PrintToString(text) << "\n" << all_ids;
  }
  EXPECT_EQ(wrong, 0) << "of " << hashes.numel() << " strings";
}

void ExpectGoldenSweep(const std::string& kind, const std::vector<Named>& tokenizers) {
  const at::Tensor hashes = LoadGolden("token_ids/strings.safetensors")->Get(kind + ".sweep");
  constexpr char32_t kInGroup = kSweepStep * kSweepGroup;
  ASSERT_EQ(hashes.numel(), kSweepEnd / kInGroup);
  int wrong = 0;
  for (char32_t group = 0; group < kSweepEnd / kInGroup; ++group) {
    Hash hash;
    const char32_t begin = group * kInGroup;
    for (const Named& named : tokenizers) {
      for (char32_t first = begin; first < begin + kInGroup; first += kSweepStep) {
        hash.Add(WithoutPadding(named.tokenizer->Tokenize(SweepString(first))));
      }
    }
    if (hash.value() == hashes.const_data_ptr<int16_t>()[group]) continue;
    if (++wrong <= 20) ADD_FAILURE() << std::hex << "among U+" << static_cast<uint32_t>(begin) << " and on";
  }
  EXPECT_EQ(wrong, 0) << "of " << hashes.numel() << " groups of code points";
}

std::vector<Named> T5Tokenizers() {
  std::vector<Named> tokenizers;
  for (const char* name : {"t5_spiece", "t5_json"}) {
    auto tokenizer = T5Tokenizer::Load(kData + "token_ids/" + name, kT5Length);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    if (tokenizer.ok()) tokenizers.push_back({name, *std::move(tokenizer)});
  }
  return tokenizers;
}

std::vector<Named> ClipTokenizers() {
  std::vector<Named> tokenizers;
  for (const char* name : {"vocab_and_merges", "tokenizer_json"}) {
    auto tokenizer = ClipTokenizer::Load(kData + "text/" + name);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    if (tokenizer.ok()) tokenizers.push_back({name, *std::move(tokenizer)});
  }
  return tokenizers;
}

TEST(T5Tokenizer, GivesTransformersIdsOnGeneratedStrings) { ExpectGoldenIds("t5", T5Tokenizers()); }
TEST(T5Tokenizer, GivesTransformersIdsForEveryCodePoint) { ExpectGoldenSweep("t5", T5Tokenizers()); }
TEST(ClipTokenizer, GivesTransformersIdsOnGeneratedStrings) { ExpectGoldenIds("clip", ClipTokenizers()); }
TEST(ClipTokenizer, GivesTransformersIdsForEveryCodePoint) { ExpectGoldenSweep("clip", ClipTokenizers()); }

}  // namespace
}  // namespace easel

// ClipTokenizer against transformers (tests/golden/parts/text.py), in both forms of its files; faults of the
// files.
#include "model/conditioning/clip_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/model/io/temporary_directory.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/text/";

void ExpectGoldenIds(const std::string& name) {
  const auto tokenizer = ClipTokenizer::Load(kData + name);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const GoldenTensors golden = LoadGolden("text/tokens.safetensors");
  const at::Tensor bytes = golden->Get("texts"), all_ids = golden->Get(name + ".ids").to(at::kLong);
  const at::Tensor ends = golden->Get("text_ends"), counts = golden->Get(name + ".counts"),
                   cuts = golden->Get(name + ".cut");
  const char* text_begin = reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>());
  const int64_t* ids_begin = all_ids.const_data_ptr<int64_t>();
  ASSERT_GE(ends.numel(), 2000);
  int64_t begin = 0, wrong = 0;
  for (int64_t i = 0; i < ends.numel() && wrong < 5; ++i) {
    const int64_t end = ends[i].item<int64_t>(), count = counts[i].item<int64_t>();
    const std::string text(text_begin + begin, text_begin + end);
    const Tokens tokens = (*tokenizer)->Tokenize(text);
    const std::vector<int64_t> ids(
        tokens.ids.begin(), tokens.ids.begin() + std::count(tokens.mask.begin(), tokens.mask.end(), 1));
    const std::vector<int64_t> expected(ids_begin, ids_begin + count);
    EXPECT_EQ(ids, expected) << i << ": " << testing::PrintToString(text);
    EXPECT_EQ(tokens.cut, cuts[i].item<int64_t>()) << i << ": " << testing::PrintToString(text);
    wrong += ids != expected;
    begin = end;
    ids_begin += count;
  }
}

TEST(ClipTokenizer, GivesTransformersIdsFromVocabAndMerges) { ExpectGoldenIds("vocab_and_merges"); }
TEST(ClipTokenizer, GivesTransformersIdsFromTokenizerJson) { ExpectGoldenIds("tokenizer_json"); }

TEST(ClipTokenizer, PadsWithThePaddingToken) {
  const auto tokenizer = ClipTokenizer::Load(kData + "tokenizer_json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->max_length(), 16);
  EXPECT_EQ((*tokenizer)->vocab_size(), 814);
  const Tokens tokens = (*tokenizer)->Tokenize("!");
  EXPECT_THAT(tokens.ids, ElementsAre(812, 0, 813, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(tokens.mask, ElementsAre(1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST(ClipTokenizer, KeepsTheEndTokenWhenItCuts) {
  const auto tokenizer = ClipTokenizer::Load(kData + "tokenizer_json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const Tokens tokens = (*tokenizer)->Tokenize(std::string(20, '1'));  // a token each
  EXPECT_EQ(tokens.ids.size(), 16);
  EXPECT_EQ(tokens.ids.back(), 813);
  EXPECT_EQ(tokens.cut, 6);
}

// Merging in quadratic time would take hours here.
TEST(ClipTokenizer, TakesAMegabyte) {
  const auto tokenizer = ClipTokenizer::Load(kData + "vocab_and_merges");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::string word;
  while (word.size() < 1 << 20) word += "theqreenapplx";
  const int one = (*tokenizer)->Tokenize(word.substr(0, 13 * 1000)).cut + 75;
  const int all = (*tokenizer)->Tokenize(word).cut + 75;
  EXPECT_NEAR(static_cast<double>(all) / one, word.size() / 13000.0, 0.1);
}

TEST(ClipWords, CutsAsClipDoes) {
  EXPECT_THAT(ClipWords("A Photo's 12 caf\u0065\u0301s!?  it'll"),
              ElementsAre("a", "photo", "'s", "1", "2", "caf\u00e9s", "!?", "it", "'ll"));
  EXPECT_THAT(ClipWords("<|ENDOFTEXT|>!<|x"), ElementsAre("<|", "endoftext", "|>", "!<|", "x"));
  EXPECT_THAT(ClipWords(" \n"), ElementsAre());
}

constexpr char kVocabulary[] =
    R"({"a": 0, "b</w>": 1, "ab</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4})";

std::string LoadFault(const TemporaryDirectory& directory) {
  const auto tokenizer = ClipTokenizer::Load(directory.path());
  return tokenizer.ok() ? "no fault" : std::string(tokenizer.status().message());
}

TEST(ClipTokenizerLoad, HasClipsDefaults) {
  TemporaryDirectory directory;
  directory.Write("vocab.json", kVocabulary);
  directory.Write("merges.txt", "#version: 0.2\na b</w>\n");
  const auto tokenizer = ClipTokenizer::Load(directory.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->max_length(), 77);
  std::vector<int64_t> expected(77, 4);
  expected[0] = 3, expected[1] = 2, expected[2] = 0,
  expected[3] = 4;  // "ac": c is unknown, and so the end token
  EXPECT_EQ((*tokenizer)->Tokenize("ab ac").ids, expected);
}

TEST(ClipTokenizerLoad, ReadsMergesOfEitherSpelling) {
  TemporaryDirectory directory;
  for (const char* merges : {R"(["a b</w>"])", R"([["a", "b</w>"]])"}) {
    directory.Write("tokenizer.json", std::string(R"({"model": {"type": "BPE", "vocab": )") + kVocabulary +
                                          R"(, "merges": )" + merges + "}}");
    const auto tokenizer = ClipTokenizer::Load(directory.path());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ((*tokenizer)->Tokenize("ab").ids[1], 2);
  }
}

// As transformers decides when the end token's three roles disagree: whether <|ENDOFTEXT|> is the end token.
TEST(ClipTokenizerLoad, LastDifferentDescriptionOfASpecialTokenCounts) {
  const std::string text = "\"<|endoftext|>\"",
                    object = "{\"content\": " + text + ", \"normalized\": ", yes = object + "true}",
                    no = object + "false}";
  const struct {
    std::string end, unknown, padding;
    bool normalized;
  } kCases[] = {{text, text, text, false}, {yes, text, text, false}, {yes, yes, yes, true},
                {text, yes, text, true},   {yes, text, yes, false},  {no, text, yes, true},
                {no, yes, no, true},       {yes, no, yes, false}};
  TemporaryDirectory directory;
  directory.Write("vocab.json", kVocabulary);
  directory.Write("merges.txt", "");
  for (const auto& c : kCases) {
    const std::string config =
        "{\"eos_token\": " + c.end + ", \"unk_token\": " + c.unknown + ", \"pad_token\": " + c.padding + "}";
    directory.Write("tokenizer_config.json", config);
    const auto tokenizer = ClipTokenizer::Load(directory.path());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    const Tokens tokens = (*tokenizer)->Tokenize("<|ENDOFTEXT|>");
    EXPECT_EQ(std::count(tokens.mask.begin(), tokens.mask.end(), 1) == 3, c.normalized) << config;
  }
}

TEST(ClipTokenizerLoad, TakesNoLimitAsClips) {
  TemporaryDirectory directory;
  directory.Write("vocab.json", kVocabulary);
  directory.Write("merges.txt", "");
  directory.Write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  const auto tokenizer = ClipTokenizer::Load(directory.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->max_length(), 77);
}

TEST(ClipTokenizerLoad, NamesTheFault) {
  TemporaryDirectory directory;
  EXPECT_THAT(LoadFault(directory), HasSubstr("vocab.json"));
  directory.Write("vocab.json", kVocabulary);
  EXPECT_THAT(LoadFault(directory), HasSubstr("merges.txt"));
  directory.Write("merges.txt", "a b</w>\na\n");
  EXPECT_THAT(LoadFault(directory), HasSubstr("merges.txt: line 2"));
  directory.Write("merges.txt", "a c\n");
  EXPECT_THAT(LoadFault(directory), HasSubstr("merges.txt: merge 1 (a c): the vocabulary has no c"));
  directory.Write("merges.txt", "a b</w>\n");
  EXPECT_EQ(LoadFault(directory), "no fault");
  directory.Write("tokenizer_config.json", R"({"model_max_length": 1})");
  EXPECT_THAT(LoadFault(directory), HasSubstr("model_max_length"));
  directory.Write("tokenizer_config.json", R"({"pad_token": "<pad>"})");
  EXPECT_THAT(LoadFault(directory), HasSubstr("no token <pad>, which is the pad_token"));
  directory.Write("vocab.json", R"({"": 5, )" + std::string(kVocabulary).substr(1));
  directory.Write("tokenizer_config.json", R"({"pad_token": ""})");  // would be found without end
  EXPECT_THAT(LoadFault(directory), HasSubstr("key \"pad_token\": is empty"));
  directory.Write("vocab.json", kVocabulary);
  directory.Write("tokenizer_config.json", R"({"added_tokens_decoder": {"4": {"content": "a"}}})");
  EXPECT_THAT(LoadFault(directory), HasSubstr("added token a: id 4"));
  directory.Write("tokenizer_config.json",
                  R"({"added_tokens_decoder": {"5": {"content": "<x>", "lstrip": true}}})");
  EXPECT_THAT(LoadFault(directory), HasSubstr("lstrip"));
  directory.Write("vocab.json", R"({"a": -1})");
  EXPECT_THAT(LoadFault(directory), HasSubstr("vocab.json"));
}

}  // namespace
}  // namespace easel

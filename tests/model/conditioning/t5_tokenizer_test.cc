// T5Tokenizer: which files say what, as transformers 5 reads them; padding and cuts; faults of the files.
// Against transformers on many strings: token_ids_test.cc.
#include "model/conditioning/t5_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "model/io/json.h"
#include "tests/model/conditioning/spiece_writer.h"
#include "tests/model/io/temporary_directory.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Files = std::map<std::string, std::string>;

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/token_ids/";

void WriteAll(const Files& files, const TemporaryDirectory& directory) {
  for (const auto& [name, bytes] : files) directory.Write(name, bytes);
}

std::string SmallJson(const std::string& more = "", const std::string& more_vocabulary = "",
                      const std::string& model = R"("type": "Unigram", "unk_id": 0)") {
  return R"({"model": {)" + model +
         R"(, "vocab": [["<pad>", 0.0], ["</s>", 0], ["<unk>", 0.0], ["▁", -2.0], ["a", -1.0], ["b", -1.5],
         ["▁ab", -3.0])" +
         more_vocabulary + "]}" + more + "}";
}

// A special token described as files describe it.
std::string Described(const std::string& text, const std::string& more = "") {
  return R"({"content": ")" + text +
         R"(", "lstrip": false, "normalized": false, "rstrip": false, "special": true)" + more + "}";
}

// What transformers 5.24 gives for a directory of these files.
TEST(T5TokenizerLoad, ReadsDirectoriesAsTransformers) {
  const std::string text = "ab <extra_id_1> a</s><x> <pad>c＜pad＞ <extra_id_99>";
  const std::string spiece = SmallSpiece(),
                    decoder_end = R"({"added_tokens_decoder": {"1": )" + Described("</s>") + "}}";
  const std::string json_added = R"(, "added_tokens": [{"id": 7, "content": "<x>", "special": true}])";
  const std::vector<int64_t> bare = {6, 105, 3, 4, 1, 3, 2, 0, 3, 2, 4, 2, 7, 1};
  const std::vector<int64_t> json_bare = {6, 8, 3, 4, 1, 3, 2, 0, 3, 2, 4, 2, 106, 1};
  const struct {
    const char* what;
    Files files;
    std::vector<int64_t> ids;
    int64_t vocab_size;
    std::string text = "";  // another text
  } kCases[] = {
      {"the model alone", {{"spiece.model", spiece}}, bare, 107},
      {"fewer extra ids",
       {{"spiece.model", spiece}, {"tokenizer_config.json", R"({"extra_ids": 2})"}},
       {6, 7, 3, 4, 1, 3, 2, 0, 3, 2, 4, 2, 3, 2, 4, 2, 1},
       9},
      {"no extra ids",
       {{"spiece.model", spiece}, {"tokenizer_config.json", R"({"extra_ids": 0})"}},
       {6, 3, 2, 4, 2, 3, 4, 1, 3, 2, 0, 3, 2, 4, 2, 3, 2, 4, 2, 1},
       7},
      {"a user-defined piece",
       {{"spiece.model", SmallSpiece({"<x>"})}},
       {6, 106, 3, 4, 1, 7, 0, 3, 2, 4, 2, 8, 1},
       108},
      {"a list of special tokens",
       {{"spiece.model", spiece},
        {"tokenizer_config.json", R"({"additional_special_tokens": ["<x>", "<extra_id_1>"]})"}},
       {6, 105, 3, 4, 1, 107, 0, 3, 2, 4, 2, 3, 7, 1},
       108},
      {"an empty list, so that extra ids are pieces only",
       {{"spiece.model", spiece}, {"tokenizer_config.json", R"({"additional_special_tokens": []})"}},
       {6, 3, 105, 3, 4, 1, 3, 2, 0, 3, 2, 4, 2, 3, 7, 1},
       107},
      {"an empty object, which is no list",
       {{"spiece.model", spiece}, {"tokenizer_config.json", R"({"extra_special_tokens": {}})"}},
       bare,
       107},
      {"two lists",
       {{"spiece.model", spiece},
        {"tokenizer_config.json",
         R"({"extra_special_tokens": ["<x>"], "additional_special_tokens": ["<y>"]})"}},
       {6, 3, 105, 3, 4, 1, 107, 0, 3, 2, 4, 2, 3, 7, 1},
       108},
      {"a list that only the slow tokenizer had",
       {{"spiece.model", spiece}, {"special_tokens_map.json", R"({"additional_special_tokens": ["<x>"]})"}},
       bare,
       107},
      {"a list of the map",
       {{"spiece.model", spiece}, {"special_tokens_map.json", R"({"extra_special_tokens": ["<x>"]})"}},
       {6, 3, 105, 3, 4, 1, 107, 0, 3, 2, 4, 2, 3, 7, 1},
       108},
      {"added tokens",
       {{"spiece.model", spiece}, {"added_tokens.json", R"({"<x>": 107, "Ａ": 108})"}},
       {6, 107, 108, 3, 2, 1},
       109,
       "ab <x> Ａ A"},
      {"other ends and padding",
       {{"spiece.model", spiece},
        {"tokenizer_config.json", R"({"eos_token": "<x>", "pad_token": "<extra_id_0>"})"}},
       {6, 105, 3, 4, 1, 107, 0, 3, 2, 4, 2, 7, 107},
       108},
      {"the decoder, and so no map",
       {{"spiece.model", spiece},
        {"special_tokens_map.json", R"({"eos_token": "<x>"})"},
        {"tokenizer_config.json", decoder_end}},
       bare,
       107},
      {"the decoder's numbers only as an order",
       {{"spiece.model", spiece},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"500": )" + Described("<x>") + R"(, "30": )" +
                                      Described("<z>") + "}}"}},
       {108, 107, 1},
       109,
       "<x><z>"},
      {"roles in their order",
       {{"spiece.model", spiece},
        {"tokenizer_config.json", R"({"extra_ids": 2, "sep_token": "<y>", "bos_token": "<x>"})"}},
       {10, 9, 1},
       11,
       "<y><x>"},
      {"tokenizer.json alone, its extra ids new", {{"tokenizer.json", SmallJson()}}, json_bare, 107},
      {"tokenizer.json before spiece.model",
       {{"tokenizer.json", SmallJson()}, {"spiece.model", SmallSpiece({"<x>"})}},
       json_bare,
       107},
      {"tokenizer.json's added tokens",
       {{"tokenizer.json", SmallJson(json_added)}},
       {6, 9, 3, 4, 1, 7, 0, 3, 2, 4, 2, 107, 1},
       108},
      {"the decoder before tokenizer.json's added tokens",
       {{"tokenizer.json", SmallJson(json_added)}, {"tokenizer_config.json", decoder_end}},
       json_bare,
       107},
      {"tokenizer.json with a map",
       {{"tokenizer.json", SmallJson()},
        {"special_tokens_map.json", R"({"additional_special_tokens": ["<x>"]})"}},
       {6, 9, 3, 4, 1, 7, 0, 3, 2, 4, 2, 107, 1},
       108},
      {"a piece twice, of which the last counts",
       {{"tokenizer.json", SmallJson("", R"(, ["a", -1.0])")}},
       {6, 9, 3, 7, 1, 3, 2, 0, 3, 2, 7, 2, 107, 1},
       108},
  };
  for (const auto& c : kCases) {
    TemporaryDirectory directory;
    WriteAll(c.files, directory);
    const auto tokenizer = T5Tokenizer::Load(directory.path(), 24);
    ASSERT_TRUE(tokenizer.ok()) << c.what << ": " << tokenizer.status();
    const Tokens tokens = (*tokenizer)->Tokenize(c.text.empty() ? text : c.text);
    const std::vector<int64_t> ids(
        tokens.ids.begin(),
        tokens.ids.begin() + std::count(tokens.mask.begin(), tokens.mask.end(), uint8_t{1}));
    EXPECT_EQ(ids, c.ids) << c.what;
    EXPECT_EQ((*tokenizer)->vocab_size(), c.vocab_size) << c.what;
  }
}

TEST(T5Tokenizer, PadsAndCuts) {
  TemporaryDirectory directory;
  directory.Write("spiece.model", SmallSpiece());
  directory.Write("tokenizer_config.json", R"({"pad_token": "<extra_id_0>", "model_max_length": 2})");
  const auto tokenizer = T5Tokenizer::Load(directory.path(), 5);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->max_length(), 5);
  Tokens tokens = (*tokenizer)->Tokenize("ab a");
  EXPECT_THAT(tokens.ids, ElementsAre(6, 3, 4, 1, 106));
  EXPECT_THAT(tokens.mask, ElementsAre(1, 1, 1, 1, 0));
  EXPECT_EQ(tokens.cut, 0);
  tokens = (*tokenizer)->Tokenize("ab a ab ab");
  EXPECT_THAT(tokens.ids, ElementsAre(6, 3, 4, 6, 1));
  EXPECT_THAT(tokens.mask, ElementsAre(1, 1, 1, 1, 1));
  EXPECT_EQ(tokens.cut, 1);
  tokens = (*tokenizer)->Tokenize("");
  EXPECT_THAT(tokens.ids, ElementsAre(1, 106, 106, 106, 106));
  const auto shortest = T5Tokenizer::Load(directory.path(), 1);
  ASSERT_TRUE(shortest.ok()) << shortest.status();
  EXPECT_THAT((*shortest)->Tokenize("ab").ids, ElementsAre(1));
  EXPECT_FALSE(T5Tokenizer::Load(directory.path(), 0).ok());
}

// White space that a token takes with it is not there to be normalized with the mark behind it.
TEST(T5Tokenizer, StripsAroundTokensThatAskForIt) {
  for (const bool strips : {false, true}) {
    TemporaryDirectory directory;
    directory.Write("spiece.model", ReadAll(kData + "t5_spiece/spiece.model"));
    directory.Write("tokenizer_config.json",
                    R"({"added_tokens_decoder": {"3": {"content": "<x>", "normalized": false, "rstrip": )" +
                        std::string(strips ? "true" : "false") + "}}}");
    const auto tokenizer = T5Tokenizer::Load(directory.path(), 8);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    const Tokens tokens = (*tokenizer)->Tokenize("<x>\u00a0\u0301");
    EXPECT_EQ(std::count(tokens.mask.begin(), tokens.mask.end(), 1), strips ? 4 : 2);  // <x> (▁ <unk>) </s>
  }
}

// A search that is quadratic in the text would take hours here.
TEST(T5Tokenizer, TakesAMegabyte) {
  const auto tokenizer = T5Tokenizer::Load(kData + "t5_spiece", 8);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  for (const std::string piece : {"applehouse", "a red apple ", "<", "e\u0301\u0323\u0301", "<extra_id_5>"}) {
    std::string text;
    while (text.size() < 1 << 20) text += piece;
    EXPECT_GT((*tokenizer)->Tokenize(text).cut, 1000) << piece;
  }
}

std::string LoadFault(const TemporaryDirectory& directory) {
  const auto tokenizer = T5Tokenizer::Load(directory.path(), 16);
  return tokenizer.ok() ? "no fault" : std::string(tokenizer.status().message());
}

TEST(T5TokenizerLoad, NamesTheFaultOfTokenizerJson) {
  const std::pair<std::string, const char*> kFaults[] = {
      {"{}", "tokenizer.json: key \"model\""},
      {SmallJson("", "", R"("type": "BPE")"), "\"model.type\": is BPE"},
      {SmallJson("", "", R"("byte_fallback": true)"), "\"model.byte_fallback\": true is not supported"},
      {R"({"model": {}})", "\"model.vocab\": missing"},
      {R"({"model": {"vocab": {"a": 1}}})", "\"model.vocab\": expected an array"},
      {SmallJson("", R"(, ["c"])"), "\"model.vocab\": element 7"},
      {SmallJson("", R"(, ["c", NaN])"), "piece 7"},
      {R"({"model": {"vocab": [["a", 0], ["b", 0]]}})", "2 pieces, none with the id 2"},
      {SmallJson(R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "?"})"),
       "\"normalizer.precompiled_charsmap\": is not base64"},
      {SmallJson(R"(, "normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled"}]})"),
       "\"normalizer.normalizers[0].precompiled_charsmap\": missing"},
      {SmallJson(R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"})"),
       "tokenizer.json: precompiled_charsmap: is too short"},
      {SmallJson(R"(, "truncation": {"direction": "Left"})"), "\"truncation.direction\": Left"},
      {SmallJson(R"(, "padding": {"direction": "Left"})"), "\"padding.direction\": Left"},
      {SmallJson(R"(, "added_tokens": [{"id": 7, "content": "<x>", "single_word": true}])"),
       "\"added_tokens[0].single_word\""},
      {SmallJson(R"(, "added_tokens": [{"id": 7}])"), "\"added_tokens[0].content\""},
  };
  TemporaryDirectory directory;
  EXPECT_THAT(LoadFault(directory), HasSubstr("spiece.model"));  // neither is there
  for (const auto& [json, fault] : kFaults) {
    directory.Write("tokenizer.json", json);
    EXPECT_THAT(LoadFault(directory), HasSubstr(fault)) << json;
  }
}

TEST(T5TokenizerLoad, NamesTheFaultOfItsConfig) {
  const std::pair<const char*, const char*> kFaults[] = {
      {R"({"padding_side": "left"})", "tokenizer_config.json: key \"padding_side\": left"},
      {R"({"truncation_side": "left"})", "truncation_side"},
      {R"({"split_special_tokens": true})", "split_special_tokens"},
      {R"({"extra_ids": -1})", "extra_ids"},
      {R"({"extra_ids": 1e9})", "extra_ids"},
      {R"({"image_token": "<x>"})", "image_token"},
      {R"({"eos_token": 5})", "eos_token"},
      {R"({"eos_token": ""})", "eos_token"},
      {R"({"eos_token": {"content": "</s>", "single_word": true}})", "eos_token.single_word"},
      {R"({"extra_special_tokens": {"x": "<x>"}})", "extra_special_tokens"},
      {R"({"additional_special_tokens": [5]})", "additional_special_tokens"},
      {R"({"added_tokens_decoder": {"x": {"content": "<x>"}}})", "added_tokens_decoder.x"},
      {R"({"added_tokens_decoder": {"5": {"content": ""}}})", "added_tokens_decoder.5.content"},
      {R"({"added_tokens_decoder": 5})", "added_tokens_decoder"},
  };
  TemporaryDirectory directory;
  directory.Write("spiece.model", SmallSpiece());
  directory.Write("tokenizer_config.json",
                  R"({"add_eos_token": true, "model_max_length": 512, "legacy": true})");
  EXPECT_EQ(LoadFault(directory), "no fault");
  for (const auto& [config, fault] : kFaults) {
    directory.Write("tokenizer_config.json", config);
    EXPECT_THAT(LoadFault(directory), HasSubstr(fault)) << config;
  }
  directory.Write("tokenizer_config.json", "{}");
  directory.Write("spiece.model", SmallSpiece({"<extra_id_0>"}));
  EXPECT_THAT(LoadFault(directory), HasSubstr("extra_ids is 100"));
  directory.Write("spiece.model", SmallSpiece({}, "xyz"));
  EXPECT_THAT(LoadFault(directory), HasSubstr("spiece.model: precompiled_charsmap: is too short"));
}

// Beginnings of a model, and the model with a byte damaged: a fault that names the file, or a tokenizer whose
// ids are below its vocab_size.
TEST(T5TokenizerLoad, SurvivesDamagedModels) {
  auto json = JsonObject::Open(kData + "t5_json/tokenizer.json");
  ASSERT_TRUE(json.ok()) << json.status();
  std::string charsmap;
  ASSERT_TRUE(absl::Base64Unescape(json->Object("normalizer")->String("precompiled_charsmap"), &charsmap));
  const std::string model = SmallSpiece({"<x>"}, charsmap);
  TemporaryDirectory directory;
  directory.Write("tokenizer_config.json", R"({"extra_ids": 1})");
  int loaded = 0, refused = 0;
  auto check = [&](const std::string& bytes) {
    directory.Write("spiece.model", bytes);
    const auto tokenizer = T5Tokenizer::Load(directory.path(), 32);
    ++(tokenizer.ok() ? loaded : refused);
    if (!tokenizer.ok()) {
      EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr(directory.Path("spiece.model")));
      return;
    }
    const Tokens tokens =
        (*tokenizer)->Tokenize("ab <x> ABQ e\u0301 \ufb01\u00ad\u2026 a\u030a\u0301 \u00a9 \xff </s> c");
    for (int64_t id : tokens.ids) {
      ASSERT_GE(id, 0);
      ASSERT_LT(id, (*tokenizer)->vocab_size());
    }
  };
  check(model);
  ASSERT_EQ(loaded, 1);
  for (size_t size = 0; size < model.size(); size += 7) check(model.substr(0, size));
  for (size_t i = 0; i < model.size(); i += 3) {
    std::string damaged = model;
    damaged[i] ^= static_cast<char>(1 << i % 8);
    check(damaged);
  }
  EXPECT_GT(loaded, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace easel

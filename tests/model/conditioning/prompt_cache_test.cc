// What the cache of encoded prompts keeps, and what it lets go.
#include "model/conditioning/prompt_cache.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

using Prompts = std::vector<Tokens>;

Prompts Prompt(int64_t id) { return {Tokens{{id}, {1}}}; }

// 4000 bytes, and the key twice: two in a cache of 9000, not three.
Conditioning Row(float value) {
  Conditioning row;
  row.text = at::full({1, 10, 100}, value);
  return row;
}

float Value(const std::optional<Conditioning>& row) { return row ? row->text[0][0][0].item<float>() : -1; }

TEST(PromptCache, FindsWhatWasInserted) {
  PromptCache cache(9000);
  EXPECT_FALSE(cache.Find(Prompt(1)));
  cache.Insert(Prompt(1), Row(1));
  EXPECT_EQ(Value(cache.Find(Prompt(1))), 1);
  EXPECT_FALSE(cache.Find(Prompt(2)));
}

TEST(PromptCache, LetsTheLeastRecentlyUsedGo) {
  PromptCache cache(9000);
  cache.Insert(Prompt(1), Row(1));
  cache.Insert(Prompt(2), Row(2));
  cache.Find(Prompt(1));
  cache.Insert(Prompt(3), Row(3));
  EXPECT_EQ(Value(cache.Find(Prompt(1))), 1);
  EXPECT_FALSE(cache.Find(Prompt(2)));
  EXPECT_EQ(Value(cache.Find(Prompt(3))), 3);
}

TEST(PromptCache, CountsAPromptOnce) {
  PromptCache cache(9000);
  cache.Insert(Prompt(1), Row(1));
  cache.Insert(Prompt(2), Row(2));
  cache.Insert(Prompt(2), Row(2));
  EXPECT_TRUE(cache.Find(Prompt(1)));
}

TEST(PromptCache, PassesOverWhatIsLargerThanItself) {
  PromptCache cache(3000);
  cache.Insert(Prompt(1), Row(1));
  EXPECT_FALSE(cache.Find(Prompt(1)));
}

// "<|endoftext|>" spelled out has the ids of the empty prompt.
TEST(PromptCache, TellsPaddingFromPrompt) {
  PromptCache cache(9000);
  const Prompts empty = {Tokens{{5, 6, 6}, {1, 1, 0}}}, spelled = {Tokens{{5, 6, 6}, {1, 1, 1}}};
  cache.Insert(empty, Row(1));
  cache.Insert(spelled, Row(2));
  EXPECT_EQ(Value(cache.Find(empty)), 1);
  EXPECT_EQ(Value(cache.Find(spelled)), 2);
}

// One tokenizer may cut where two prompts differ; another does not.
TEST(PromptCache, TellsPromptsByTheTokensOfEachTokenizer) {
  PromptCache cache(9000);
  const Tokens same{{5}, {1}}, one{{6}, {1}}, other{{7}, {1}};
  cache.Insert({same, one}, Row(1));
  cache.Insert({same, other}, Row(2));
  EXPECT_EQ(Value(cache.Find({same, one})), 1);
  EXPECT_EQ(Value(cache.Find({same, other})), 2);
  EXPECT_FALSE(cache.Find({one, same}));
}

}  // namespace
}  // namespace easel

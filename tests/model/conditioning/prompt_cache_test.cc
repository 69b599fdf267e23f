// What the cache of encoded prompts keeps, and what it lets go.
#include "model/conditioning/prompt_cache.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace easel {
namespace {

Tokens Prompt(int64_t id) { return {{id}, {1}}; }

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
  cache.Insert({{5, 6, 6}, {1, 1, 0}}, Row(1));
  cache.Insert({{5, 6, 6}, {1, 1, 1}}, Row(2));
  EXPECT_EQ(Value(cache.Find({{5, 6, 6}, {1, 1, 0}})), 1);
  EXPECT_EQ(Value(cache.Find({{5, 6, 6}, {1, 1, 1}})), 2);
}

}  // namespace
}  // namespace easel

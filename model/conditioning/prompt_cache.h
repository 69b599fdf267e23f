// Prompts that were encoded lately: the empty and the usual negative prompt recur in almost every request.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/conditioning/conditioning.h"
#include "model/conditioning/tokenizer.h"

namespace easel {

// A dozen prompts of the largest encoders, thousands of a small one.
inline constexpr size_t kPromptCacheBytes = 64 << 20;

// Least recently used first out, within a number of bytes. A prompt is its tokens, one `Tokens` a tokenizer.
// Usable from any thread.
class PromptCache {
 public:
  explicit PromptCache(size_t capacity_bytes) : capacity_(capacity_bytes) {}

  std::optional<Conditioning> Find(const std::vector<Tokens>& prompt);
  // Keeps `row` unless it alone is over the capacity. Two threads may insert the same prompt; the first
  // stays.
  void Insert(const std::vector<Tokens>& prompt, const Conditioning& row);

 private:
  struct Entry {
    std::string key;
    Conditioning row;
    size_t bytes;
  };

  const size_t capacity_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::list<Entry> entries_;  // the most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
  size_t bytes_ = 0;
};

}  // namespace easel

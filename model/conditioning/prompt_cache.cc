#include "model/conditioning/prompt_cache.h"

#include <ATen/ATen.h>

namespace easel {
namespace {

// The masks too: a prompt that spells the end token out has the ids of its own padding. All prompts of a
// cache are of the same tokenizers, so each part is as long in every key.
std::string KeyOf(const std::vector<Tokens>& prompt) {
  std::string key;
  for (const Tokens& tokens : prompt) {
    key.append(reinterpret_cast<const char*>(tokens.ids.data()), tokens.ids.size() * sizeof(tokens.ids[0]));
    key.append(tokens.mask.begin(), tokens.mask.end());
  }
  return key;
}

size_t BytesOf(const Conditioning& row) {
  size_t bytes = 0;
  for (const at::Tensor& t : {row.text, row.text_mask, row.pooled, row.label})
    bytes += t.defined() ? t.nbytes() : 0;
  return bytes;
}

}  // namespace

std::optional<Conditioning> PromptCache::Find(const std::vector<Tokens>& prompt) {
  const std::string key = KeyOf(prompt);
  std::lock_guard lock(mutex_);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->row;
}

void PromptCache::Insert(const std::vector<Tokens>& prompt, const Conditioning& row) {
  Entry entry{KeyOf(prompt), row, 0};
  entry.bytes = BytesOf(row) + 2 * entry.key.size();
  if (entry.bytes > capacity_) return;
  std::lock_guard lock(mutex_);
  if (by_key_.contains(entry.key)) return;
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  by_key_.emplace(entries_.front().key, entries_.begin());
  while (bytes_ > capacity_) {
    bytes_ -= entries_.back().bytes;
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace easel

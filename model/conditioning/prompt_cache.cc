#include "model/conditioning/prompt_cache.h"

#include <ATen/ATen.h>

namespace easel {
namespace {

// The mask too: a prompt that spells the end token out has the ids of its own padding.
std::string KeyOf(const Tokens& tokens) {
  std::string key(reinterpret_cast<const char*>(tokens.ids.data()),
                  tokens.ids.size() * sizeof(tokens.ids[0]));
  return key.append(tokens.mask.begin(), tokens.mask.end());
}

size_t BytesOf(const Conditioning& row) {
  size_t bytes = 0;
  for (const at::Tensor& t : {row.text, row.text_mask, row.pooled, row.label})
    bytes += t.defined() ? t.nbytes() : 0;
  return bytes;
}

}  // namespace

std::optional<Conditioning> PromptCache::Find(const Tokens& tokens) {
  const std::string key = KeyOf(tokens);
  std::lock_guard lock(mutex_);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->row;
}

void PromptCache::Insert(const Tokens& tokens, const Conditioning& row) {
  Entry entry{KeyOf(tokens), row, 0};
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

// SentencePiece's unigram model: text is cut into the pieces of a vocabulary whose scores (log probabilities)
// have the largest sum.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

// Immutable; usable from any thread.
class Unigram {
 public:
  // A piece's id is its place in `pieces`; of equal pieces the last counts. `unknown`: the id of what no
  // piece covers. Errors: no piece of that id, a score that is not finite.
  static absl::StatusOr<Unigram> Create(std::vector<std::pair<std::string, double>> pieces, int64_t unknown);

  // Appends the ids of `text`, as tokenizers' Unigram: a code point that is no piece may be unknown, at ten
  // less than the lowest score; of equal sums the one found first counts, and neighbours that are unknown are
  // one token. Time: linear in `text`, times the length of the pieces that match. REQUIRES: `text` is UTF-8.
  void Encode(std::string_view text, std::vector<int64_t>* ids) const;

  int64_t size() const { return static_cast<int64_t>(scores_.size()); }
  int64_t Find(std::string_view piece) const;  // its id; -1 when there is no such piece

 private:
  Unigram() = default;
  int32_t Child(int32_t node, char byte) const;  // -1: none

  std::vector<double> scores_;
  double unknown_score_ = 0;
  int64_t unknown_ = 0;
  // The pieces as a trie, its root node 0.
  std::vector<int32_t> piece_ids_;                  // by node: the piece that ends there, or -1
  std::unordered_map<uint64_t, int32_t> children_;  // by node and byte
};

}  // namespace easel

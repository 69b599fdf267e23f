#include "model/conditioning/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

constexpr double kUnknownPenalty = 10;

uint64_t Key(int32_t node, char byte) {
  return static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(byte);
}

size_t Utf8Size(char first) {
  const uint8_t byte = first;
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

absl::StatusOr<Unigram> Unigram::Create(std::vector<std::pair<std::string, double>> pieces, int64_t unknown) {
  const int64_t n = static_cast<int64_t>(pieces.size());
  if (unknown < 0 || unknown >= n) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", n, " pieces, none with the id ", unknown, " of the unknown token"));
  }
  Unigram unigram;
  unigram.unknown_ = unknown;
  unigram.piece_ids_.push_back(-1);
  double lowest = std::numeric_limits<double>::infinity();
  for (int64_t id = 0; id < n; ++id) {
    const auto& [piece, score] = pieces[id];
    if (!std::isfinite(score)) {
      return absl::InvalidArgumentError(absl::StrCat("piece ", id, ": its score is not finite"));
    }
    lowest = std::min(lowest, score);
    unigram.scores_.push_back(score);
    int32_t node = 0;
    for (const char byte : piece) {
      const int32_t next = static_cast<int32_t>(unigram.piece_ids_.size());
      const auto [child, is_new] = unigram.children_.emplace(Key(node, byte), next);
      if (is_new) unigram.piece_ids_.push_back(-1);
      node = child->second;
    }
    unigram.piece_ids_[node] = static_cast<int32_t>(id);
  }
  unigram.unknown_score_ = lowest - kUnknownPenalty;
  return unigram;
}

int32_t Unigram::Child(int32_t node, char byte) const {
  const auto child = children_.find(Key(node, byte));
  return child == children_.end() ? -1 : child->second;
}

int64_t Unigram::Find(std::string_view piece) const {
  int32_t node = 0;
  for (size_t i = 0; i < piece.size() && node >= 0; ++i) node = Child(node, piece[i]);
  return node < 0 ? -1 : piece_ids_[node];
}

void Unigram::Encode(std::string_view text, std::vector<int64_t>* ids) const {
  // The best way to each byte that ends a piece.
  struct Best {
    double score = 0;
    int64_t begin = -1;  // of its last piece; -1: no way leads here
    int64_t id = 0;      // of that piece
  };
  std::vector<Best> best(text.size() + 1);
  auto consider = [&](size_t begin, size_t end, int64_t id, double score) {
    const double sum = score + best[begin].score;
    if (best[end].begin < 0 || sum > best[end].score) best[end] = {sum, static_cast<int64_t>(begin), id};
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t next = std::min(begin + Utf8Size(text[begin]), text.size());
    bool is_piece = false;
    int32_t node = 0;
    for (size_t end = begin + 1; end <= text.size(); ++end) {
      node = Child(node, text[end - 1]);
      if (node < 0) break;
      const int32_t id = piece_ids_[node];
      if (id < 0) continue;
      consider(begin, end, id, scores_[id]);
      is_piece |= end == next;
    }
    if (!is_piece) consider(begin, next, unknown_, unknown_score_);
    begin = next;
  }
  const size_t old_size = ids->size();
  for (int64_t end = text.size(); end > 0; end = best[end].begin) {
    const bool continues = ids->size() > old_size && ids->back() == unknown_ && best[end].id == unknown_;
    if (!continues) ids->push_back(best[end].id);
  }
  std::reverse(ids->begin() + old_size, ids->end());
}

}  // namespace easel

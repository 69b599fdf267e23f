#include "model/conditioning/byte_level_bpe.h"

#include <queue>

#include "absl/strings/str_cat.h"
#include "model/conditioning/unicode_text.h"

namespace easel {
namespace {

uint64_t Key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

bool IsPrintableByte(int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; }

}  // namespace

const std::array<std::string, 256>& ByteSymbols() {
  // A printable Latin-1 byte is itself; the others are U+0100 and up.
  static const std::array<std::string, 256> symbols = [] {
    std::array<std::string, 256> result;
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) result[b] = EncodeUtf8(std::u32string(1, IsPrintableByte(b) ? b : next++));
    return result;
  }();
  return symbols;
}

const std::array<uint8_t, 256>& ByteOrder() {
  static const std::array<uint8_t, 256> order = [] {
    std::array<uint8_t, 256> result;
    int n = 0;
    for (bool printable : {true, false}) {
      for (int b = 0; b < 256; ++b) {
        if (IsPrintableByte(b) == printable) result[n++] = b;
      }
    }
    return result;
  }();
  return order;
}

absl::StatusOr<ByteLevelBpe> ByteLevelBpe::Create(
    const std::unordered_map<std::string, int64_t>& vocabulary,
    const std::vector<std::pair<std::string, std::string>>& merges, int64_t unknown) {
  ByteLevelBpe bpe;
  auto id_of = [&](const std::string& token, int64_t otherwise) {
    auto it = vocabulary.find(token);
    return static_cast<int32_t>(it == vocabulary.end() ? otherwise : it->second);
  };
  for (int b = 0; b < 256; ++b) {
    bpe.byte_ids_[b] = id_of(ByteSymbols()[b], unknown);
    bpe.last_byte_ids_[b] = id_of(absl::StrCat(ByteSymbols()[b], kEndOfWord), unknown);
  }
  int32_t rank = 0;
  for (const auto& [left, right] : merges) {
    const int32_t l = id_of(left, -1), r = id_of(right, -1), both = id_of(left + right, -1);
    if (l < 0 || r < 0 || both < 0) {
      return absl::InvalidArgumentError(absl::StrCat("merge ", rank + 1, " (", left, " ", right,
                                                     "): the vocabulary has no ",
                                                     l < 0   ? left
                                                     : r < 0 ? right
                                                             : left + right));
    }
    bpe.merges_.insert_or_assign(Key(l, r), Merge{rank++, both});
  }
  return bpe;
}

const ByteLevelBpe::Merge* ByteLevelBpe::Find(int32_t left, int32_t right) const {
  auto it = merges_.find(Key(left, right));
  return it == merges_.end() ? nullptr : &it->second;
}

void ByteLevelBpe::Encode(std::string_view word, std::vector<int64_t>* ids) const {
  // Symbols in a linked list; candidates in a heap, the earliest learnt first and among equals the leftmost.
  // A candidate whose symbols have changed since is known by its pair no longer giving its id.
  struct Symbol {
    int32_t id, previous, next;
    bool merged_away = false;
  };
  struct Candidate {
    int32_t rank, position, id;
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  const int32_t n = static_cast<int32_t>(word.size());
  std::vector<Symbol> symbols;
  symbols.reserve(n);
  for (int32_t i = 0; i < n; ++i) {
    const uint8_t byte = word[i];
    symbols.push_back({i + 1 < n ? byte_ids_[byte] : last_byte_ids_[byte], i - 1, i + 1 < n ? i + 1 : -1});
  }
  std::priority_queue<Candidate> queue;
  auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    if (const Merge* merge = Find(symbols[left].id, symbols[symbols[left].next].id)) {
      queue.push({merge->rank, left, merge->id});
    }
  };
  for (int32_t i = 0; i + 1 < n; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    Symbol& left = symbols[candidate.position];
    if (left.merged_away || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    const Merge* merge = Find(left.id, right.id);
    if (merge == nullptr || merge->id != candidate.id) continue;
    left.id = candidate.id;
    left.next = right.next;
    right.merged_away = true;
    if (left.next >= 0) symbols[left.next].previous = candidate.position;
    consider(left.previous);
    consider(candidate.position);
  }
  for (int32_t i = n > 0 ? 0 : -1; i >= 0; i = symbols[i].next) ids->push_back(symbols[i].id);
}

}  // namespace easel

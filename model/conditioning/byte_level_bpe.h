// Byte-level byte-pair encoding of CLIP: a word is its bytes, each written as a printable symbol, the last
// one with
// `</w>` at its end; then the pair of neighbours that was learnt first is merged, again and again.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace easel {

inline constexpr char kEndOfWord[] = "</w>";

// The printable symbol (UTF-8) that stands for each byte in vocabularies, and the order in which CLIP's
// vocabulary lists the bytes.
const std::array<std::string, 256>& ByteSymbols();
const std::array<uint8_t, 256>& ByteOrder();

// Immutable; usable from any thread.
class ByteLevelBpe {
 public:
  // `merges`: in the order learnt. `unknown`: the id of a byte whose symbol the vocabulary lacks. An error
  // names the merge whose parts or result the vocabulary lacks.
  static absl::StatusOr<ByteLevelBpe> Create(const std::unordered_map<std::string, int64_t>& vocabulary,
                                             const std::vector<std::pair<std::string, std::string>>& merges,
                                             int64_t unknown);

  // Appends the ids of `word` (any bytes), in time n log n.
  void Encode(std::string_view word, std::vector<int64_t>* ids) const;

 private:
  struct Merge {
    int32_t rank;
    int32_t id;  // of the two together
  };
  ByteLevelBpe() = default;
  const Merge* Find(int32_t left, int32_t right) const;

  std::array<int32_t, 256> byte_ids_, last_byte_ids_;
  std::unordered_map<uint64_t, Merge> merges_;  // by left and right id
};

}  // namespace easel

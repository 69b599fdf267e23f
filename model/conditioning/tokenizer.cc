#include "model/conditioning/tokenizer.h"

#include <algorithm>
#include <utility>

namespace easel {

Tokens CutAndPad(std::vector<int64_t> ids, int64_t max_length, int64_t end, int64_t padding) {
  const size_t kept = std::min<size_t>(ids.size(), max_length - 1);
  Tokens tokens;
  tokens.cut = static_cast<int>(ids.size() - kept);
  ids.resize(kept);
  ids.push_back(end);
  tokens.mask.assign(ids.size(), 1);
  tokens.mask.resize(max_length, 0);
  ids.resize(max_length, padding);
  tokens.ids = std::move(ids);
  return tokens;
}

}  // namespace easel

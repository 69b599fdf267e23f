#include "server/engine/row_caps.h"

#include <algorithm>

namespace easel {

int RowCaps::Cap(const ForwardShape& shape, int most) const {
  const auto lowered = lowered_.find(shape);
  return lowered == lowered_.end() ? most : std::min(lowered->second.cap, most);
}

void RowCaps::OnOutOfMemory(const ForwardShape& shape, int rows) {
  lowered_[shape] = {std::max(1, rows / 2), 0};
}

void RowCaps::OnFitted(const ForwardShape& shape, int rows) {
  const auto found = lowered_.find(shape);
  if (found == lowered_.end()) return;
  Lowered& lowered = found->second;
  if (rows > lowered.cap) {
    lowered = {rows, 0};
  } else if (++lowered.fitted == kForwardsToRaise) {
    lowered = {lowered.cap + 1, 0};
  }
}

}  // namespace easel

// How many rows a forward may have after one was too big for the memory, by its shape. Pure.
#pragma once

#include <map>

#include "server/engine/batcher.h"

namespace easel {

// A failure halves the cap, and what fits of the parts raises it again to their rows. After kForwardsToRaise
// forwards of the shape without a failure it rises by one row: what took the memory may be gone, and if it is
// not, the attempt costs one forward in so many.
class RowCaps {
 public:
  static constexpr int kForwardsToRaise = 256;

  // 1 to `most`.
  int Cap(const ForwardShape& shape, int most) const;
  void OnOutOfMemory(const ForwardShape& shape, int rows);
  void OnFitted(const ForwardShape& shape, int rows);

 private:
  struct Lowered {
    int cap = 1;
    int fitted = 0;  // forwards since the cap changed
  };
  std::map<ForwardShape, Lowered> lowered_;  // only shapes that have failed
};

}  // namespace easel

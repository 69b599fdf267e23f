// How many bytes a forward or a decode takes, by its shape: what was measured, and what follows from it.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "server/engine/batcher.h"

namespace easel {

// A shape that was never measured is taken to need what the one of the same model with the next count of
// latent pixels does, in proportion to the pixels. Text is in the shape, but this scaling leaves it out.
class MemoryModel {
 public:
  // Shapes beyond so many are not remembered, and estimated from the others.
  static constexpr size_t kMostShapes = 256;

  void OnForward(const ForwardShape& shape, int rows, int64_t bytes);
  void OnDecode(const ForwardShape& shape, int64_t bytes);
  // Whether there is nothing to learn from measuring such a one.
  bool KnowsForward(const ForwardShape& shape, int rows) const;
  bool KnowsDecode(const ForwardShape& shape) const;

  // Of a forward: between two measured counts of rows on the line between them, beyond the last on the line
  // through the last two; from a single one in proportion to the rows, but for fewer rows no less than that.
  // Absent while nothing of the model was measured.
  std::optional<int64_t> ForwardBytes(const ForwardShape& shape, int rows) const;
  std::optional<int64_t> DecodeBytes(const ForwardShape& shape) const;

  // The most rows, 1 to `most`, whose forward takes no more than `bytes`; `most` where nothing is known.
  int RowsWithin(const ForwardShape& shape, int64_t bytes, int most) const;

 private:
  using ByRows = std::map<int, int64_t>;
  std::map<ForwardShape, ByRows> forwards_;
  std::map<ForwardShape, int64_t> decodes_;
};

}  // namespace easel

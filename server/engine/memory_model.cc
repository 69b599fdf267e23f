#include "server/engine/memory_model.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>

namespace easel {
namespace {

int64_t Pixels(const ForwardShape& shape) { return shape[2] * shape[3]; }

// That of `shape`, or of its model's with the next count of pixels; null: none is known.
template <typename Value>
const std::pair<const ForwardShape, Value>* Nearest(const std::map<ForwardShape, Value>& known,
                                                    const ForwardShape& shape) {
  const auto exact = known.find(shape);
  if (exact != known.end()) return &*exact;
  const std::pair<const ForwardShape, Value>* nearest = nullptr;
  const auto distance = [&](const ForwardShape& other) { return std::abs(Pixels(other) - Pixels(shape)); };
  for (const auto& entry : known) {
    if (entry.first[0] != shape[0]) continue;
    if (nearest == nullptr || distance(entry.first) < distance(nearest->first)) nearest = &entry;
  }
  return nearest;
}

int64_t Scaled(int64_t bytes, const ForwardShape& from, const ForwardShape& to) {
  return std::llround(static_cast<double>(bytes) * Pixels(to) / Pixels(from));
}

int64_t OfRows(const std::map<int, int64_t>& by_rows, int rows) {
  auto above = by_rows.lower_bound(rows);
  if (above != by_rows.end() && (above->first == rows || above == by_rows.begin())) return above->second;
  if (by_rows.size() == 1) return by_rows.begin()->second * rows / by_rows.begin()->first;
  if (above == by_rows.end()) --above;
  const auto below = std::prev(above);
  const int64_t slope = std::max<int64_t>(0, above->second - below->second) / (above->first - below->first);
  return below->second + slope * (rows - below->first);
}

}  // namespace

void MemoryModel::OnForward(const ForwardShape& shape, int rows, int64_t bytes) {
  if (forwards_.size() == kMostShapes && !forwards_.contains(shape)) return;
  forwards_[shape][rows] = bytes;
}

void MemoryModel::OnDecode(const ForwardShape& shape, int64_t bytes) {
  if (decodes_.size() == kMostShapes && !decodes_.contains(shape)) return;
  decodes_[shape] = bytes;
}

bool MemoryModel::KnowsForward(const ForwardShape& shape, int rows) const {
  const auto known = forwards_.find(shape);
  return known == forwards_.end() ? forwards_.size() == kMostShapes : known->second.contains(rows);
}

bool MemoryModel::KnowsDecode(const ForwardShape& shape) const {
  return decodes_.contains(shape) || decodes_.size() == kMostShapes;
}

std::optional<int64_t> MemoryModel::ForwardBytes(const ForwardShape& shape, int rows) const {
  const auto* nearest = Nearest(forwards_, shape);
  if (nearest == nullptr) return std::nullopt;
  return Scaled(OfRows(nearest->second, rows), nearest->first, shape);
}

std::optional<int64_t> MemoryModel::DecodeBytes(const ForwardShape& shape) const {
  const auto* nearest = Nearest(decodes_, shape);
  if (nearest == nullptr) return std::nullopt;
  return Scaled(nearest->second, nearest->first, shape);
}

int MemoryModel::RowsWithin(const ForwardShape& shape, int64_t bytes, int most) const {
  const auto* nearest = Nearest(forwards_, shape);
  if (nearest == nullptr) return most;
  int rows = 1;
  while (rows < most && Scaled(OfRows(nearest->second, rows + 1), nearest->first, shape) <= bytes) ++rows;
  return rows;
}

}  // namespace easel

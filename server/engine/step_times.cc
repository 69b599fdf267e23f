#include "server/engine/step_times.h"

#include <algorithm>
#include <iterator>

namespace easel {
namespace {

constexpr double kNewestCounts = 0.1;  // in the mean
constexpr double kLeastCreeps = 0.01;  // of the way up to each newer one
constexpr double kPays = 0.9;          // × the seconds of a row at half as many
constexpr size_t kMostShapes = 64;

// The value at `rows` of what is known at some counts of rows, one at least.
template <typename Times, typename Value>
double Between(const Times& by_rows, int rows, Value value) {
  const auto above = by_rows.lower_bound(rows);
  if (above == by_rows.end()) return value(by_rows.rbegin()->second) / by_rows.rbegin()->first * rows;
  if (above->first == rows || above == by_rows.begin()) return value(above->second) / above->first * rows;
  const auto below = std::prev(above);
  const double part = static_cast<double>(rows - below->first) / (above->first - below->first);
  return value(below->second) + part * (value(above->second) - value(below->second));
}

}  // namespace

void SmoothedTime::Observe(double seconds) {
  if (count_++ == 0) {
    mean_ = least_ = seconds;
  } else {
    mean_ += kNewestCounts * (seconds - mean_);
    least_ = seconds < least_ ? seconds : least_ + kLeastCreeps * (seconds - least_);
  }
}

void StepTimes::Observe(const ForwardShape& shape, int rows, double seconds) {
  Shape& known = shapes_[shape];
  known.by_rows[rows].Observe(seconds);
  ++known.forwards;
  known.last_observed = ++observed_;
  if (shapes_.size() > kMostShapes) {
    shapes_.erase(std::min_element(shapes_.begin(), shapes_.end(), [](const auto& a, const auto& b) {
      return a.second.last_observed < b.second.last_observed;
    }));
  }
}

const StepTimes::Shape* StepTimes::Find(const ForwardShape& shape) const {
  const auto it = shapes_.find(shape);
  return it == shapes_.end() ? nullptr : &it->second;
}

std::optional<double> StepTimes::Seconds(const ForwardShape& shape, int rows) const {
  const Shape* known = Find(shape);
  if (known == nullptr) return std::nullopt;
  return Between(known->by_rows, rows, [](const SmoothedTime& time) { return time.mean(); });
}

std::optional<double> StepTimes::LeastSeconds(const ForwardShape& shape, int rows) const {
  const Shape* known = Find(shape);
  if (known == nullptr || known->forwards < kTrusted) return std::nullopt;
  return Between(known->by_rows, rows, [](const SmoothedTime& time) { return time.least(); });
}

int StepTimes::Knee(const ForwardShape& shape, int most) const {
  const Shape* known = Find(shape);
  if (known == nullptr) return 1;
  const int most_known = known->by_rows.rbegin()->first;
  const auto seconds_of_a_row = [&](int rows) {
    return Between(known->by_rows, rows, [](const SmoothedTime& time) { return time.least(); }) / rows;
  };
  int rows = known->by_rows.begin()->first;
  while (2 * rows <= most) {
    if (2 * rows > most_known) return 2 * rows;
    if (seconds_of_a_row(2 * rows) > kPays * seconds_of_a_row(rows)) return rows;
    rows *= 2;
  }
  return most;
}

}  // namespace easel

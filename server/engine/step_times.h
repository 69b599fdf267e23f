// How long a forward takes, by its shape and rows: what was measured, and what follows from it. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

namespace easel {

// What must be equal for jobs to share a forward: model; latent channels, height, width; text length.
using ForwardShape = std::array<int64_t, 5>;

// Seconds that something takes, as they are measured again and again.
class SmoothedTime {
 public:
  void Observe(double seconds);
  double mean() const { return mean_; }  // the latest counts most
  // About the least seen, which creeps up towards the newer ones: one slow turn does not count, a machine
  // that has become slow does.
  double least() const { return least_; }
  int count() const { return count_; }

 private:
  double mean_ = 0, least_ = 0;
  int count_ = 0;
};

class StepTimes {
 public:
  // One forward of `rows` ≥ 1 took so long. Of shapes, the newest few dozen are remembered.
  void Observe(const ForwardShape& shape, int rows, double seconds);

  // Seconds that a forward takes: on average, the latest counting most. Between two measured counts of rows
  // on the line between them; outside of these a row costs what it costs at the nearest. Absent: nothing of
  // the shape was measured.
  std::optional<double> Seconds(const ForwardShape& shape, int rows) const;

  // The same when nothing disturbs: SmoothedTime::least. Absent, too, until the shape has had kTrusted
  // forwards: what work is refused by must not hang on one measurement.
  std::optional<double> LeastSeconds(const ForwardShape& shape, int rows) const;
  // Beyond so many rows, of at most `most` ≥ 1, a shared forward is not worth it: doubled from the fewest
  // rows measured as long as a doubling takes a tenth off the seconds of each row. A doubling not measured
  // yet is allowed, so that it will be. 1 where nothing was measured: the first forward of a shape is one job
  // alone.
  int Knee(const ForwardShape& shape, int most) const;

  static constexpr int kTrusted = 3;

 private:
  struct Shape {
    std::map<int, SmoothedTime> by_rows;  // never empty
    int forwards = 0;
    uint64_t last_observed = 0;
  };
  const Shape* Find(const ForwardShape& shape) const;

  std::map<ForwardShape, Shape> shapes_;
  uint64_t observed_ = 0;
};

}  // namespace easel

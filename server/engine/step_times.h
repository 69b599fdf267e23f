// How long a forward takes, by its shape and rows: what was measured, and what follows from it. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

namespace easel {

// What must be equal for jobs to share a forward: model; latent channels, height, width; text length.
using ForwardShape = std::array<int64_t, 5>;

class StepTimes {
 public:
  // One forward of `rows` ≥ 1 took so long. Of shapes, the newest few dozen are remembered.
  void Observe(const ForwardShape& shape, int rows, double seconds);

  // Seconds that a forward takes: on average, the latest counting most. Between two measured counts of rows on
  // the line between them; outside of these a row costs what it costs at the nearest. Absent: nothing of the
  // shape was measured.
  std::optional<double> Seconds(const ForwardShape& shape, int rows) const;

  // The same when nothing else disturbs: about the least seen, which creeps up towards the newer ones, so that
  // one slow forward does not count, and a machine that has become slow does. Absent, too, until the shape has
  // had kTrusted forwards: what work is refused by must not hang on one measurement.
  std::optional<double> LeastSeconds(const ForwardShape& shape, int rows) const;
  // Of one row, in a forward of the knee's size.
  std::optional<double> LeastSecondsOfARow(const ForwardShape& shape, int most_rows) const;

  // Beyond so many rows, of at most `most` ≥ 1, a shared forward is not worth it: doubled from the fewest rows
  // measured as long as a doubling takes a tenth off the seconds of each row. A doubling not measured yet is
  // allowed, so that it will be. 1 where nothing was measured:
  // the first forward of a shape is one job alone.
  int Knee(const ForwardShape& shape, int most) const;

  static constexpr int kTrusted = 3;

 private:
  struct Time {
    double mean = 0;
    double least = 0;
  };
  struct Shape {
    std::map<int, Time> by_rows;  // never empty
    int forwards = 0;
    uint64_t last_observed = 0;
  };
  const Shape* Find(const ForwardShape& shape) const;

  std::map<ForwardShape, Shape> shapes_;
  uint64_t observed_ = 0;
};

}  // namespace easel

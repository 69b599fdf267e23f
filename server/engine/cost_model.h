// What jobs will cost on one worker: StepTimes, encoding and decoding, put together. Thread-safe: its worker
// writes, and Submit reads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/engine/model_costs.h"
#include "server/engine/step_times.h"
#include "server/sync/mutex.h"

namespace easel {

// What is left of a job.
struct JobWork {
  int model = 0, width = 0, height = 0;  // of the picture
  int rows = 1;
  int evaluations = 0;
  bool encoded = false;                    // its condition is made
  std::optional<ForwardShape> shape = {};  // known once it has begun

  bool operator==(const JobWork&) const = default;
};

// Seconds of a worker's time, from now. Shares of forwards are not known beforehand, so these are bounds.
struct JobCost {
  ForwardShape shape = {};  // of its forwards; before the first picture of its size, one that only such have
  int row_cap = 1;          // the shape's knee
  std::optional<double> seconds;  // alone, as likely as not; absent: its forwards are not known
  // At best, and 0 where that is not known well. Encoding does not count, for that may be in the cache.
  double least = 0;         // alone: it cannot be done sooner
  double least_shared = 0;  // its rows' part of full forwards: nobody else can have this much of the worker
  double outside_forwards = 0;  // what of `seconds` is encoding and decoding
};

class CostModel {
 public:
  explicit CostModel(int max_rows) : max_rows_(max_rows) {}

  // What was measured beforehand, `model` being its index in the engine.
  void Learn(int model, const ModelCosts& costs);
  void ObserveForward(const ForwardShape& shape, int rows, double seconds);
  void ObserveEncode(int model, double seconds);
  void ObserveDecode(int model, int width, int height, double seconds);
  // Pictures of this size are made by forwards of this shape.
  void ObserveShape(int model, int width, int height, const ForwardShape& shape);

  JobCost Predict(const JobWork& work) const;

  // REQUIRES: called by the worker's thread, which alone writes.
  const StepTimes& times() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return times_; }

 private:
  using Size = std::pair<int, std::pair<int, int>>;  // model, width, height
  // What jobs cost that differ in nothing but their evaluations: JobCost but for those.
  struct Rates {
    JobWork kind;  // of 0 evaluations
    ForwardShape shape = {};
    int row_cap = 1;
    std::optional<double> forward;  // seconds
    double outside_forwards = 0;
    std::optional<double> least_forward;
    double least_shared_forward = 0;
    double least_decode = 0;
  };
  const Rates& RatesOf(const JobWork& work) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Rates MakeRates(const JobWork& work) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ForwardShape ShapeOf(const JobWork& work) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_rows_;
  mutable Mutex mutex_;
  StepTimes times_ ABSL_GUARDED_BY(mutex_);
  std::map<Size, ForwardShape> shapes_ ABSL_GUARDED_BY(mutex_);
  std::map<int, SmoothedTime> encode_ ABSL_GUARDED_BY(mutex_);          // by model
  std::map<int, SmoothedTime> decode_a_pixel_ ABSL_GUARDED_BY(mutex_);  // by model
  // Of the kinds asked for since the last measurement: a turn asks for each of many jobs, which are of a few
  // kinds.
  mutable std::vector<Rates> rates_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel

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

  // The shape that a picture of this size had last; before the first, one that only such pictures have.
  ForwardShape ShapeOf(const JobWork& work) const;
  // Seconds of worker's time that the work takes alone, as likely as not. Absent: its forwards are not known.
  std::optional<double> Seconds(const JobWork& work) const;
  // At best, alone, its encoding not counted, for that may be in the cache. 0 when not known well.
  double LeastSeconds(const JobWork& work) const;
  // At best, its rows sharing forwards with others': what of the worker's time nobody else can have. 0 when not
  // known well.
  double LeastSharedSeconds(const JobWork& work) const;
  int Knee(const ForwardShape& shape) const;

  // REQUIRES: called by the worker's thread, which alone writes.
  const StepTimes& times() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return times_; }

 private:
  using Size = std::pair<int, std::pair<int, int>>;  // model, width, height
  ForwardShape ShapeLocked(const JobWork& work) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  double DecodeLocked(const JobWork& work) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_rows_;
  mutable Mutex mutex_;
  StepTimes times_ ABSL_GUARDED_BY(mutex_);
  std::map<Size, ForwardShape> shapes_ ABSL_GUARDED_BY(mutex_);
  std::map<int, double> encode_seconds_ ABSL_GUARDED_BY(mutex_);            // by model
  std::map<int, double> decode_seconds_of_a_pixel_ ABSL_GUARDED_BY(mutex_);  // by model
};

}  // namespace easel

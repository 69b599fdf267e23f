#include "server/engine/cost_model.h"

#include <algorithm>

namespace easel {

void CostModel::Learn(int model, const ModelCosts& costs) {
  // Measured as the best of several, and so to be trusted.
  for (int i = 0; i < StepTimes::kTrusted; ++i) {
    ObserveEncode(model, costs.encode_seconds);
    ObserveDecode(model, costs.width, costs.height, costs.decode_seconds);
    for (const ForwardTime& forward : costs.forwards) {
      ForwardShape shape = forward.shape;
      shape[0] = model;
      ObserveShape(model, costs.width, costs.height, shape);
      ObserveForward(shape, forward.rows, forward.seconds);
    }
  }
}

void CostModel::ObserveForward(const ForwardShape& shape, int rows, double seconds) {
  MutexLock lock(&mutex_);
  times_.Observe(shape, rows, seconds);
}

void CostModel::ObserveEncode(int model, double seconds) {
  MutexLock lock(&mutex_);
  encode_[model].Observe(seconds);
}

void CostModel::ObserveDecode(int model, int width, int height, double seconds) {
  MutexLock lock(&mutex_);
  decode_a_pixel_[model].Observe(seconds / (static_cast<double>(width) * height));
}

void CostModel::ObserveShape(int model, int width, int height, const ForwardShape& shape) {
  constexpr size_t kMostSizes = 256;
  MutexLock lock(&mutex_);
  if (shapes_.size() >= kMostSizes) shapes_.clear();  // all are soon seen again
  shapes_[{model, {width, height}}] = shape;
}

ForwardShape CostModel::ShapeOf(const JobWork& work) const {
  if (work.shape.has_value()) return *work.shape;
  const auto seen = shapes_.find({work.model, {work.width, work.height}});
  return seen != shapes_.end() ? seen->second : ForwardShape{work.model, 0, work.height, work.width, 0};
}

JobCost CostModel::Predict(const JobWork& work) const {
  MutexLock lock(&mutex_);
  JobCost cost;
  cost.shape = ShapeOf(work);
  cost.row_cap = times_.Knee(cost.shape, max_rows_);
  const double pixels = static_cast<double>(work.width) * work.height;
  const auto decode = decode_a_pixel_.find(work.model);
  const auto encode = encode_.find(work.model);
  if (decode != decode_a_pixel_.end()) cost.outside_forwards = decode->second.mean() * pixels;
  if (!work.encoded && encode != encode_.end()) cost.outside_forwards += encode->second.mean();
  const std::optional<double> forward = times_.Seconds(cost.shape, work.rows);
  if (forward.has_value()) cost.seconds = work.evaluations * *forward + cost.outside_forwards;

  const std::optional<double> least = times_.LeastSeconds(cost.shape, work.rows);
  if (!least.has_value()) return cost;
  const bool decode_known = decode != decode_a_pixel_.end() && decode->second.count() >= StepTimes::kTrusted;
  const double least_decode = decode_known ? decode->second.least() * pixels : 0;
  const double row_shared = *times_.LeastSeconds(cost.shape, cost.row_cap) / cost.row_cap;
  cost.least = work.evaluations * *least + least_decode;
  // Where rows gain nothing by company, a forward of the knee's size may cost more of a row than one alone.
  cost.least_shared = work.evaluations * std::min(work.rows * row_shared, *least) + least_decode;
  return cost;
}

}  // namespace easel

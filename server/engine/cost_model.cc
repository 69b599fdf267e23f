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
  rates_.clear();
}

void CostModel::ObserveEncode(int model, double seconds) {
  MutexLock lock(&mutex_);
  encode_[model].Observe(seconds);
  rates_.clear();
}

void CostModel::ObserveDecode(int model, int width, int height, double seconds) {
  MutexLock lock(&mutex_);
  decode_a_pixel_[model].Observe(seconds / (static_cast<double>(width) * height));
  rates_.clear();
}

void CostModel::ObserveShape(int model, int width, int height, const ForwardShape& shape) {
  constexpr size_t kMostSizes = 256;
  MutexLock lock(&mutex_);
  if (shapes_.size() >= kMostSizes) shapes_.clear();  // all are soon seen again
  shapes_[{model, {width, height}}] = shape;
  rates_.clear();
}

ForwardShape CostModel::ShapeOf(const JobWork& work) const {
  if (work.shape.has_value()) return *work.shape;
  const auto seen = shapes_.find({work.model, {work.width, work.height}});
  return seen != shapes_.end() ? seen->second : ForwardShape{work.model, 0, work.height, work.width, 0};
}

CostModel::Rates CostModel::MakeRates(const JobWork& work) const {
  Rates rates;
  rates.kind = work;
  rates.kind.evaluations = 0;
  rates.shape = ShapeOf(work);
  rates.row_cap = times_.Knee(rates.shape, max_rows_);
  const double pixels = static_cast<double>(work.width) * work.height;
  const auto decode = decode_a_pixel_.find(work.model);
  const auto encode = encode_.find(work.model);
  if (decode != decode_a_pixel_.end()) rates.outside_forwards = decode->second.mean() * pixels;
  if (!work.encoded && encode != encode_.end()) rates.outside_forwards += encode->second.mean();
  rates.forward = times_.Seconds(rates.shape, work.rows);

  rates.least_forward = times_.LeastSeconds(rates.shape, work.rows);
  if (!rates.least_forward.has_value()) return rates;
  const bool decode_known = decode != decode_a_pixel_.end() && decode->second.count() >= StepTimes::kTrusted;
  rates.least_decode = decode_known ? decode->second.least() * pixels : 0;
  const double row_shared = *times_.LeastSeconds(rates.shape, rates.row_cap) / rates.row_cap;
  // Where rows gain nothing by company, a forward of the knee's size may cost more of a row than one alone.
  rates.least_shared_forward = std::min(work.rows * row_shared, *rates.least_forward);
  return rates;
}

const CostModel::Rates& CostModel::RatesOf(const JobWork& work) const {
  JobWork kind = work;
  kind.evaluations = 0;
  const auto known =
      std::find_if(rates_.begin(), rates_.end(), [&](const Rates& rates) { return rates.kind == kind; });
  if (known != rates_.end()) return *known;
  constexpr size_t kMostKinds = 64;
  if (rates_.size() == kMostKinds) rates_.clear();
  rates_.push_back(MakeRates(kind));
  return rates_.back();
}

JobCost CostModel::Predict(const JobWork& work) const {
  MutexLock lock(&mutex_);
  const Rates& rates = RatesOf(work);
  JobCost cost;
  cost.shape = rates.shape;
  cost.row_cap = rates.row_cap;
  cost.outside_forwards = rates.outside_forwards;
  if (rates.forward.has_value()) cost.seconds = work.evaluations * *rates.forward + rates.outside_forwards;
  if (!rates.least_forward.has_value()) return cost;
  cost.least = work.evaluations * *rates.least_forward + rates.least_decode;
  cost.least_shared = work.evaluations * rates.least_shared_forward + rates.least_decode;
  return cost;
}

}  // namespace easel

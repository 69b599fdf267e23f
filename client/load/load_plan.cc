#include "client/load/load_plan.h"

namespace easel {
namespace {

constexpr double kBurstVariation = 4;  // standard deviation of the gaps, over their mean
constexpr double kBurstShape = 1 / (kBurstVariation * kBurstVariation);

// Streams of one seed that have nothing to do with one another.
std::mt19937_64 Stream(uint64_t seed, uint32_t stream) {
  std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), stream};
  return std::mt19937_64(sequence);
}

}  // namespace

LoadPlan::LoadPlan(uint64_t seed, std::optional<double> rate, bool burst, const std::vector<double>& weights)
    : rate_(rate),
      burst_(burst),
      arrivals_(Stream(seed, 0)),
      kinds_(Stream(seed, 1)),
      seeds_(Stream(seed, 2)),
      burst_gap_(kBurstShape, 1 / kBurstShape),
      kind_(weights.begin(), weights.end()) {
  for (uint64_t& picture : picture_seeds_) picture = seeds_();
}

double LoadPlan::NextGap() { return burst_ ? burst_gap_(arrivals_) : poisson_gap_(arrivals_); }

PlannedRequest LoadPlan::Next() {
  if (rate_.has_value()) now_ += NextGap() / *rate_;
  return {.arrival = now_, .kind = kind_(kinds_), .seed = picture_seeds_[seeds_() % kPictureSeeds]};
}

}  // namespace easel

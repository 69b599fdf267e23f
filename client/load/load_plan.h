// When a load's requests come, and which: all of it from one seed. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace easel {

struct PlannedRequest {
  double arrival = 0;  // seconds from the start
  size_t kind = 0;     // into the weights
  uint64_t seed = 0;   // of the picture
};

// Arrivals, kinds and seeds are independent of one another: another rate stretches the same arrivals, and
// asks for the same pictures. The same with the same standard library.
class LoadPlan {
 public:
  // Pictures have one of so many seeds, so that those of --verify are drawn once each and compared often.
  static constexpr size_t kPictureSeeds = 16;

  // `rate`: arrivals a second, Poisson, or with `burst` with Gamma-distributed gaps of coefficient of
  // variation 4; not set: all arrivals are 0 (closed loop). `weights`: one a kind, above 0.
  LoadPlan(uint64_t seed, std::optional<double> rate, bool burst, const std::vector<double>& weights);

  // The next request; arrivals never go back.
  PlannedRequest Next();

 private:
  double NextGap();

  const std::optional<double> rate_;
  const bool burst_;
  std::mt19937_64 arrivals_, kinds_, seeds_;
  std::exponential_distribution<double> poisson_gap_;  // of mean 1, as is the other
  std::gamma_distribution<double> burst_gap_;
  std::discrete_distribution<size_t> kind_;
  std::array<uint64_t, kPictureSeeds> picture_seeds_;
  double now_ = 0;
};

}  // namespace easel

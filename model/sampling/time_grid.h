// The noise levels of one generation, and numpy's way of spacing numbers, which decides their last digits.
#pragma once

#include <vector>

namespace easel {

struct TimeGrid {
  std::vector<float> sigmas;  // steps + 1, falling: where each step begins, and 0
  std::vector<float> times;   // steps: the network's t at each of them but the last
};

// numpy.linspace(start, stop, count), in float64. REQUIRES: count ≥ 1
std::vector<double> Linspace(double start, double stop, int count);

}  // namespace easel

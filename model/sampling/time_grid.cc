#include "model/sampling/time_grid.h"

namespace easel {

std::vector<double> Linspace(double start, double stop, int count) {
  std::vector<double> values(count, start);
  const double step = (stop - start) / (count - 1);
  for (int i = 1; i < count; ++i) values[i] = i * step + start;
  if (count > 1) values.back() = stop;
  return values;
}

}  // namespace easel

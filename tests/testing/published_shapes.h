// The published models' tensors, by name and shape alone (tests/golden/parts/true_configs.py): what a network
// of their config must ask its file for.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/io/json.h"
#include "model/nn/weights.h"

namespace easel {

using Shapes = std::map<std::string, std::vector<int64_t>>;

// Of tests/golden/data/true_configs/`model`. Both throw when there is no such file.
Shapes PublishedShapes(const std::string& model);
JsonObject PublishedConfig(const std::string& model);

// Hands out tensors without memory, on the meta device.
class ShapeSource : public WeightSource {
 public:
  explicit ShapeSource(Shapes shapes) : shapes_(std::move(shapes)) {}
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override;
  bool Has(const std::string& name) const override { return shapes_.contains(name); }
  // What was asked for and is not there, or in another shape; what was never asked for.
  std::vector<std::string> Differences() const;

 private:
  Shapes shapes_;
  std::set<std::string> taken_;
  std::vector<std::string> faults_;
};

}  // namespace easel

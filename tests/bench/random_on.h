// Random weights for benchmarks.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "model/nn/weights.h"
#include "tests/testing/random_weights.h"

namespace easel {

// As a network wants them, on a device and in a dtype; not kept here, so that a large network stands in memory once.
class RandomOn : public WeightSource {
 public:
  RandomOn(c10::Device device, c10::ScalarType dtype) : device_(device), dtype_(dtype) {}
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override {
    return RandomWeights(1).Take(name, shape, init).to(device_, dtype_);
  }
  bool Has(const std::string& name) const override { return false; }

 private:
  const c10::Device device_;
  const c10::ScalarType dtype_;
};

}  // namespace easel

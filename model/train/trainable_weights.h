// A WeightSource that makes a network's parameters from initial values and remembers them, for an optimizer and for files.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "model/io/safetensors.h"
#include "model/nn/weights.h"

namespace easel {

class TrainableWeights : public WeightSource {
 public:
  // Float32 parameters on `device`, drawn from `seed` in the order in which the networks ask.
  TrainableWeights(uint64_t seed, c10::Device device);
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override;
  bool Has(const std::string&) const override { return false; }

  const NamedTensors& parameters() const { return parameters_; }
  int64_t count() const;  // numbers in all

 private:
  at::Generator generator_;
  c10::Device device_;
  NamedTensors parameters_;
};

// Copies the file's tensors, named prefix + name, into `tensors`. An error names a tensor that is missing or misshapen.
absl::Status CopyFromFile(const SafetensorsFile& file, const std::string& prefix, const NamedTensors& tensors);

}  // namespace easel

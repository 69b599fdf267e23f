// A network's weights drawn at random and remembered: for tests that need some network, or a checkpoint of
// one.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "model/io/safetensors.h"
#include "model/nn/weights.h"

namespace easel {

// The same seed gives the same values. Nothing starts at zero, whatever `init` says, so that every tensor
// matters.
class RandomWeights : public WeightSource {
 public:
  // kYes: they require gradients, as weights that are trained do while a network is built of them.
  enum class Trained { kNo, kYes };
  explicit RandomWeights(uint64_t seed, Trained trained = Trained::kNo);
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override;
  bool Has(const std::string& name) const override { return false; }
  const NamedTensors& taken() const { return taken_; }  // what a checkpoint of the network holds

 private:
  const Trained trained_;
  at::Generator generator_;
  NamedTensors taken_;
};

}  // namespace easel

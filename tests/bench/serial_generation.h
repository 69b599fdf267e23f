// Pipeline::Generate on one thread, for a benchmark that sees gRPC and so must not see LibTorch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace easel {

class SerialGeneration {
 public:
  // Ends the process with a message when the model directory cannot be loaded.
  SerialGeneration(const std::string& model, const std::string& prompt);
  ~SerialGeneration();
  void Generate(uint64_t seed);  // at the model's defaults
  // The same without the decoder: seconds a step that are not the forward's, but the sampler's.
  double BetweenForwards(uint64_t seed);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace easel

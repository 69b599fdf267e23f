// AdamW (https://arxiv.org/abs/1711.05101), and Muon (https://kellerjordan.github.io/posts/muon/) for the matrices inside blocks.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/io/safetensors.h"

namespace easel {

struct OptimizerOptions {
  double adam_rate = 1e-3;
  double muon_rate = 2e-3;      // for a matrix update of RMS 1 × 0.2, as Moonlight matches it to AdamW's (https://arxiv.org/abs/2502.16982)
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-8;
  double muon_momentum = 0.95;
  double weight_decay = 0.01;   // of matrices alone
  double clip_norm = 1.0;       // of all gradients together
  bool use_muon = true;
};

class Optimizer {
 public:
  // Holds the parameters. Those for which `is_block_matrix(name, tensor)` is true are Muon's.
  Optimizer(const NamedTensors& parameters, const OptimizerOptions& options);
  // One update with the gradients at hand, which are then cleared; `rate` multiplies both rates. Returns the gradients' norm.
  // Spread over `threads` CPU threads.
  double Step(double rate, int threads);
  NamedTensors State() const;  // to save, and to copy back into
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter, m, v;  // v undefined: Muon's
  };
  void Update(Slot& slot, double clip, double rate) const;

  OptimizerOptions options_;
  std::vector<Slot> slots_;
  int64_t steps_ = 0;
};

}  // namespace easel

#include "model/train/optimizer.h"

#include <ATen/ATen.h>

#include <cmath>

namespace easel {
namespace {

bool IsBlockMatrix(const std::string& name, const at::Tensor& t) {
  return t.dim() == 2 && t.size(0) >= 64 && t.size(1) >= 64 &&
         (name.find("blocks.") != std::string::npos || name.find("layers.") != std::string::npos) &&
         name.find("modulation") == std::string::npos;
}

// The nearest matrix with all singular values near 1, by five quintic Newton-Schulz steps.
at::Tensor Orthogonalized(const at::Tensor& g) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = g.size(0) > g.size(1);
  at::Tensor x = (tall ? g.t() : g).to(at::kBFloat16);
  x = x / (x.norm() + 1e-7);
  for (int i = 0; i < 5; ++i) {
    at::Tensor xx = at::mm(x, x.t());
    x = a * x + at::mm(b * xx + c * at::mm(xx, xx), x);
  }
  return (tall ? x.t() : x).to(at::kFloat);
}

}  // namespace

Optimizer::Optimizer(const NamedTensors& parameters, const OptimizerOptions& options) : options_(options) {
  for (const auto& [name, parameter] : parameters) {
    Slot slot{name, parameter, at::zeros_like(parameter), {}};
    if (!options.use_muon || !IsBlockMatrix(name, parameter)) slot.v = at::zeros_like(parameter);
    slots_.push_back(slot);
  }
}

double Optimizer::Step(double rate) {
  at::NoGradGuard no_grad;
  ++steps_;
  std::vector<at::Tensor> gradients;
  for (Slot& slot : slots_) {
    if (slot.parameter.grad().defined()) gradients.push_back(slot.parameter.grad());
  }
  std::vector<at::Tensor> norms = at::_foreach_norm(gradients, 2);
  const double norm = at::stack(norms).norm().item<double>();
  if (!std::isfinite(norm)) {  // one bad batch must not end a run
    for (Slot& slot : slots_) slot.parameter.mutable_grad() = at::Tensor();
    return norm;
  }
  const double clip = std::min(1.0, options_.clip_norm / (norm + 1e-6));
  const double correct1 = 1 - std::pow(options_.beta1, steps_), correct2 = 1 - std::pow(options_.beta2, steps_);
  for (Slot& slot : slots_) {
    at::Tensor g = slot.parameter.grad();
    if (!g.defined()) continue;
    g = g * clip;
    const bool decays = slot.parameter.dim() >= 2;
    if (slot.v.defined()) {
      const double lr = options_.adam_rate * rate;
      if (decays) slot.parameter.mul_(1 - lr * options_.weight_decay);
      slot.m.lerp_(g, 1 - options_.beta1);
      slot.v.mul_(options_.beta2).addcmul_(g, g, 1 - options_.beta2);
      at::Tensor denominator = (slot.v / correct2).sqrt_().add_(options_.eps);
      slot.parameter.addcdiv_(slot.m, denominator, -lr / correct1);
    } else {
      const double lr = options_.muon_rate * rate;
      slot.parameter.mul_(1 - lr * options_.weight_decay);
      slot.m.mul_(options_.muon_momentum).add_(g);
      at::Tensor update = Orthogonalized(g + options_.muon_momentum * slot.m);
      slot.parameter.add_(update, -lr * 0.2 * std::sqrt(static_cast<double>(std::max(g.size(0), g.size(1)))));
    }
    slot.parameter.mutable_grad() = at::Tensor();
  }
  return norm;
}

NamedTensors Optimizer::State() const {
  NamedTensors state;
  for (const Slot& slot : slots_) {
    state.emplace_back(slot.name + ".m", slot.m);
    if (slot.v.defined()) state.emplace_back(slot.name + ".v", slot.v);
  }
  return state;
}

}  // namespace easel

#include "model/train/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "model/train/parallel.h"

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

double Optimizer::Step(double rate, int threads) {
  c10::NoGradGuard no_grad;
  ++steps_;
  std::vector<at::Tensor> gradients;
  for (Slot& slot : slots_) {
    if (slot.parameter.grad().defined()) gradients.push_back(slot.parameter.grad());
  }
  const double norm = at::stack(at::_foreach_norm(gradients, 2)).norm().item<double>();
  if (std::isfinite(norm)) {  // one bad batch must not end a run
    const double clip = std::min(1.0, options_.clip_norm / (norm + 1e-6));
    ParallelFor(slots_.size(), threads, [&](int i) {
      c10::NoGradGuard no_grad_here;
      if (slots_[i].parameter.grad().defined()) Update(slots_[i], clip, rate);
    });
  }
  for (Slot& slot : slots_) slot.parameter.mutable_grad() = at::Tensor();
  return norm;
}

void Optimizer::Update(Slot& slot, double clip, double rate) const {
  at::Tensor g = slot.parameter.grad() * clip;
  if (slot.v.defined()) {
    const double lr = options_.adam_rate * rate;
    if (slot.parameter.dim() >= 2) slot.parameter.mul_(1 - lr * options_.weight_decay);
    slot.m.lerp_(g, 1 - options_.beta1);
    slot.v.mul_(options_.beta2).addcmul_(g, g, 1 - options_.beta2);
    const double correct1 = 1 - std::pow(options_.beta1, steps_), correct2 = 1 - std::pow(options_.beta2, steps_);
    at::Tensor denominator = (slot.v / correct2).sqrt_().add_(options_.eps);
    slot.parameter.addcdiv_(slot.m, denominator, -lr / correct1);
  } else {
    const double lr = options_.muon_rate * rate;
    slot.parameter.mul_(1 - lr * options_.weight_decay);
    slot.m.mul_(options_.muon_momentum).add_(g);
    at::Tensor update = Orthogonalized(g + options_.muon_momentum * slot.m);
    slot.parameter.add_(update, -lr * 0.2 * std::sqrt(static_cast<double>(std::max(g.size(0), g.size(1)))));
  }
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

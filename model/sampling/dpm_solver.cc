#include "model/sampling/dpm_solver.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace easel {
namespace {

class DpmSolverSampler : public Sampler {
 public:
  DpmSolverSampler(DpmSolver solver, const SamplerOptions& options, TimeGrid grid, at::Tensor noise)
      : solver_(solver),
        prediction_(options.prediction),
        generator_(options.generator),
        flow_(options.schedule.path() == NoisePath::kFlow),
        times_(std::move(grid.times)),
        sigmas_(at::tensor(grid.sigmas)),
        x_(std::move(noise)),
        denoised_(x_) {}

  bool done() const override { return step_ == total_steps(); }
  int step() const override { return step_; }
  int total_steps() const override { return static_cast<int>(times_.size()); }
  int total_evaluations() const override { return total_steps(); }
  ModelInput Next() const override { return {x_, times_[step_]}; }
  at::Tensor Denoised() const override { return denoised_; }

  void Advance(const at::Tensor& prediction) override {
    const Level from = At(step_), to = At(step_ + 1);
    const at::Tensor data = ToDenoised(prediction_, prediction.to(at::kFloat), x_, from.alpha.item<float>(),
                                       from.sigma.item<float>());
    const at::Tensor h = to.lambda - from.lambda, decay = solver_.stochastic ? 2 * h : h;
    const at::Tensor weight = to.alpha * (at::exp(-decay) - 1);
    at::Tensor kept = to.sigma / from.sigma;
    if (solver_.stochastic) kept = kept * at::exp(-h);
    at::Tensor x = kept * x_ - weight * data;
    const int order = Order();
    if (order > 1) {
      const at::Tensor r = (from.lambda - At(step_ - 1).lambda) / h;
      const at::Tensor slope = r.reciprocal() * (data - previous_);
      x = order == 2 ? x - 0.5 * weight * slope : x + ThirdOrder(to, h, r, slope);
    }
    if (solver_.stochastic) {
      const at::Tensor noise = at::randn(x.sizes(), generator_, at::kFloat);  // on the CPU, as the first
      x = x + to.sigma * at::sqrt(1 - at::exp(-decay)) * noise.to(x.device());
    }
    x_ = x;
    before_ = previous_;
    previous_ = data;
    ++step_;
    denoised_ = done() ? x_ : data;
  }

 private:
  // Scalars of float32 on the CPU: logarithm and exponential are LibTorch's to the last digit.
  struct Level {
    at::Tensor alpha, sigma;  // x = alpha·data + sigma·noise
    at::Tensor lambda;        // log(alpha / sigma)
  };
  // Of the step that is due.
  int Order() const {
    const int left = total_steps() - step_;  // this one included
    const bool few = total_steps() < 15;     // as diffusers has it
    return left == 1 ? 1 : std::min({solver_.order, step_ + 1, left == 2 && few ? 2 : 3});
  }
  // What the second and third order add to a step of h; `slope`: the data's over the step before, which is r · h long.
  at::Tensor ThirdOrder(const Level& to, const at::Tensor& h, const at::Tensor& r, const at::Tensor& slope) const {
    const at::Tensor r_before = (At(step_ - 1).lambda - At(step_ - 2).lambda) / h;
    const at::Tensor change = slope - r_before.reciprocal() * (previous_ - before_), share = r / (r + r_before);
    const at::Tensor first = slope + share * change, second = (r + r_before).reciprocal() * change;
    const at::Tensor decay = at::exp(-h) - 1;
    return to.alpha * (decay / h + 1) * first - to.alpha * ((decay + h) / h.square() - 0.5) * second;
  }
  Level At(int level) const {
    Level result;
    const at::Tensor sigma = sigmas_[level];
    result.alpha = flow_ ? 1 - sigma : (sigma.square() + 1).sqrt().reciprocal();
    result.sigma = flow_ ? sigma : sigma * result.alpha;
    result.lambda = at::log(result.alpha) - at::log(result.sigma);
    return result;
  }

  const DpmSolver solver_;
  const PredictionKind prediction_;
  at::Generator generator_;
  const bool flow_;
  const std::vector<float> times_;
  const at::Tensor sigmas_;  // (steps + 1) on the CPU
  int step_ = 0;
  at::Tensor x_;
  at::Tensor previous_, before_;  // the data as the step before, and the one before that, predicted it
  at::Tensor denoised_;
};

}  // namespace

std::unique_ptr<Sampler> MakeDpmSolverSampler(DpmSolver solver, const SamplerOptions& options, TimeGrid grid,
                                              at::Tensor noise) {
  return std::make_unique<DpmSolverSampler>(solver, options, std::move(grid), std::move(noise));
}

}  // namespace easel

#include "model/sampling/dpm_solver.h"

#include <ATen/ATen.h>

namespace easel {
namespace {

class DpmSolverSampler : public Sampler {
 public:
  DpmSolverSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise)
      : prediction_(options.prediction),
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
    const at::Tensor h = to.lambda - from.lambda;
    const at::Tensor weight = to.alpha * (at::exp(-h) - 1);
    at::Tensor x = (to.sigma / from.sigma) * x_ - weight * data;
    if (step_ > 0 && step_ + 1 < total_steps()) {
      const at::Tensor r = (from.lambda - At(step_ - 1).lambda) / h;
      x = x - 0.5 * weight * (r.reciprocal() * (data - previous_));
    }
    x_ = x;
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
  Level At(int level) const {
    Level result;
    const at::Tensor sigma = sigmas_[level];
    result.alpha = flow_ ? 1 - sigma : (sigma.square() + 1).sqrt().reciprocal();
    result.sigma = flow_ ? sigma : sigma * result.alpha;
    result.lambda = at::log(result.alpha) - at::log(result.sigma);
    return result;
  }

  const PredictionKind prediction_;
  const bool flow_;
  const std::vector<float> times_;
  const at::Tensor sigmas_;  // (steps + 1) on the CPU
  int step_ = 0;
  at::Tensor x_;
  at::Tensor previous_;  // the data as the step before predicted it
  at::Tensor denoised_;
};

}  // namespace

std::unique_ptr<Sampler> MakeDpmSolverSampler(const SamplerOptions& options, TimeGrid grid,
                                              at::Tensor noise) {
  return std::make_unique<DpmSolverSampler>(options, std::move(grid), std::move(noise));
}

}  // namespace easel

#include "model/sampling/heun.h"

#include <ATen/ATen.h>

namespace easel {
namespace {

class HeunSampler : public Sampler {
 public:
  HeunSampler(const SamplerOptions& options, at::Tensor noise)
      : options_(options),
        times_(options.schedule.Times(options.steps, options.shift)),
        x_(std::move(noise)),
        next_{x_, times_[0]},
        denoised_(x_) {}

  bool done() const override { return step_ == options_.steps; }
  int step() const override { return step_; }
  int total_steps() const override { return options_.steps; }
  int total_evaluations() const override { return 2 * options_.steps - 1; }
  ModelInput Next() const override { return next_; }
  at::Tensor Denoised() const override { return denoised_; }

  void Advance(const at::Tensor& prediction) override {
    at::Tensor v = ToVelocity(options_.prediction, prediction.to(at::kFloat), next_.latent, next_.time,
                              options_.schedule);
    denoised_ = ToDenoised(PredictionKind::kVelocity, v, next_.latent, next_.time, options_.schedule);
    const float dt = times_[step_] - times_[step_ + 1];
    if (first_v_.defined()) {  // v is the velocity at the step's end
      FinishStep(x_ - dt * (first_v_ + v) / 2);
    } else if (step_ + 1 == options_.steps) {
      FinishStep(x_ - dt * v);
      denoised_ = x_;
    } else {
      first_v_ = v;
      next_ = {x_ - dt * v, times_[step_ + 1]};
    }
  }

 private:
  void FinishStep(at::Tensor x) {
    x_ = std::move(x);
    first_v_.reset();
    next_ = {x_, times_[++step_]};
  }

  const SamplerOptions options_;
  const std::vector<float> times_;
  int step_ = 0;
  at::Tensor x_;        // at the start of the step
  at::Tensor first_v_;  // the velocity there; undefined before its evaluation
  ModelInput next_;
  at::Tensor denoised_;
};

}  // namespace

std::unique_ptr<Sampler> MakeHeunSampler(const SamplerOptions& options, at::Tensor noise) {
  return std::make_unique<HeunSampler>(options, std::move(noise));
}

}  // namespace easel

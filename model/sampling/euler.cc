#include "model/sampling/euler.h"

#include <ATen/ATen.h>

namespace easel {
namespace {

class EulerSampler : public Sampler {
 public:
  EulerSampler(const SamplerOptions& options, at::Tensor noise)
      : options_(options),
        times_(options.schedule.Times(options.steps, options.shift)),
        x_(std::move(noise)),
        denoised_(x_) {}

  bool done() const override { return step_ == options_.steps; }
  int step() const override { return step_; }
  int total_steps() const override { return options_.steps; }
  int total_evaluations() const override { return options_.steps; }
  ModelInput Next() const override { return {x_, times_[step_]}; }
  at::Tensor Denoised() const override { return denoised_; }

  void Advance(const at::Tensor& prediction) override {
    const float t = times_[step_];
    const float dt = t - times_[step_ + 1];
    at::Tensor v = ToVelocity(options_.prediction, prediction.to(at::kFloat), x_, t, options_.schedule);
    denoised_ = ToDenoised(PredictionKind::kVelocity, v, x_, t, options_.schedule);
    x_ = x_ - dt * v;
    ++step_;
    if (done()) denoised_ = x_;
  }

 private:
  const SamplerOptions options_;
  const std::vector<float> times_;
  int step_ = 0;
  at::Tensor x_, denoised_;
};

}  // namespace

std::unique_ptr<Sampler> MakeEulerSampler(const SamplerOptions& options, at::Tensor noise) {
  return std::make_unique<EulerSampler>(options, std::move(noise));
}

}  // namespace easel

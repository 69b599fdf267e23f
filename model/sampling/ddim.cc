#include "model/sampling/ddim.h"

#include <ATen/ATen.h>

#include "model/sampling/torch_sqrt.h"

namespace easel {
namespace {

class DdimSampler : public Sampler {
 public:
  DdimSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise)
      : options_(options),
        betas_(options.schedule.betas("ddim")),
        grid_(std::move(grid)),
        x_(std::move(noise)),
        denoised_(x_) {}

  bool done() const override { return step_ == total_steps(); }
  int step() const override { return step_; }
  int total_steps() const override { return static_cast<int>(grid_.times.size()); }
  int total_evaluations() const override { return total_steps(); }
  ModelInput Next() const override { return {x_, grid_.times[step_]}; }
  at::Tensor Denoised() const override { return denoised_; }

  void Advance(const at::Tensor& prediction) override {
    const at::Tensor p = prediction.to(at::kFloat);
    const int64_t t = static_cast<int64_t>(grid_.times[step_]);
    // Not the next of the grid, though mostly the same.
    const int64_t previous = t - betas_.num_train_timesteps() / total_steps();
    const float a = AlphaCumprod(t);
    const float a_previous = previous >= 0 ? AlphaCumprod(previous) : FinalAlphaCumprod();
    const float alpha = TorchSqrt(a), sigma = TorchSqrt(1 - a);

    denoised_ = ToDenoised(options_.prediction, p, x_, alpha, sigma);
    const at::Tensor epsilon = options_.prediction == PredictionKind::kV ? alpha * p + sigma * x_ : p;
    if (betas_.clip_sample_range) {
      denoised_ = denoised_.clamp(-*betas_.clip_sample_range, *betas_.clip_sample_range);
    }
    const float variance = (1 - a_previous) / (1 - a) * (1 - a / a_previous);
    const float deviation = static_cast<float>(options_.eta) * TorchSqrt(variance);
    x_ = TorchSqrt(a_previous) * denoised_ + TorchSqrt(1 - a_previous - deviation * deviation) * epsilon;
    if (options_.eta > 0) {
      const at::Tensor noise =
          at::randn(x_.sizes(), options_.generator, at::kFloat);  // on the CPU, as the first
      x_ = x_ + deviation * noise.to(x_.device());
    }
    ++step_;
    if (done()) denoised_ = x_;
  }

 private:
  float AlphaCumprod(int64_t timestep) const {
    return betas_.alphas_cumprod.const_data_ptr<float>()[timestep];  // a table on the CPU
  }
  float FinalAlphaCumprod() const { return betas_.set_alpha_to_one ? 1 : AlphaCumprod(0); }

  const SamplerOptions options_;
  const BetaSchedule betas_;
  const TimeGrid grid_;
  int step_ = 0;
  at::Tensor x_, denoised_;
};

}  // namespace

std::unique_ptr<Sampler> MakeDdimSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise) {
  return std::make_unique<DdimSampler>(options, std::move(grid), std::move(noise));
}

}  // namespace easel

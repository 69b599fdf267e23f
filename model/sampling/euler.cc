#include "model/sampling/euler.h"

#include <ATen/ATen.h>

#include "model/sampling/ode.h"

namespace easel {
namespace {

class EulerSampler : public Sampler {
 public:
  EulerSampler(const SamplerOptions& options, TimeGrid grid, const at::Tensor& noise)
      : ode_("euler", options, std::move(grid)),
        x_(ode_.Start(noise)),
        next_(ode_.InputAt(0, x_)),
        denoised_(noise) {}

  bool done() const override { return step_ == total_steps(); }
  int step() const override { return step_; }
  int total_steps() const override { return ode_.steps(); }
  int total_evaluations() const override { return ode_.steps(); }
  ModelInput Next() const override { return next_; }
  at::Tensor Denoised() const override { return denoised_; }

  void Advance(const at::Tensor& prediction) override {
    const Ode::Evaluation here = ode_.Evaluate(step_, x_, prediction.to(at::kFloat));
    ++step_;
    x_ = x_ + here.derivative * ode_.StepTo(step_);
    denoised_ = done() ? x_ : here.denoised;
    if (!done()) next_ = ode_.InputAt(step_, x_);
  }

 private:
  const Ode ode_;
  int step_ = 0;
  at::Tensor x_;
  ModelInput next_;
  at::Tensor denoised_;
};

}  // namespace

std::unique_ptr<Sampler> MakeEulerSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise) {
  return std::make_unique<EulerSampler>(options, std::move(grid), noise);
}

}  // namespace easel

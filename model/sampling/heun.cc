#include "model/sampling/heun.h"

#include <ATen/ATen.h>

#include "model/sampling/ode.h"

namespace easel {
namespace {

class HeunSampler : public Sampler {
 public:
  HeunSampler(const SamplerOptions& options, TimeGrid grid, const at::Tensor& noise)
      : ode_("heun", options, std::move(grid)),
        x_(ode_.Start(noise)),
        next_(ode_.InputAt(0, x_)),
        denoised_(noise) {}

  bool done() const override { return step_ == total_steps(); }
  int step() const override { return step_; }
  int total_steps() const override { return ode_.steps(); }
  int total_evaluations() const override { return HeunEvaluations(ode_.steps()); }
  ModelInput Next() const override { return next_; }
  at::Tensor Denoised() const override { return denoised_; }

  void Advance(const at::Tensor& prediction) override {
    const at::Tensor p = prediction.to(at::kFloat);
    if (first_.defined()) {  // the prediction is at the step's end
      const Ode::Evaluation end = ode_.Evaluate(step_ + 1, end_, p);
      denoised_ = end.denoised;
      FinishStep((first_ + end.derivative) / 2);
    } else {
      const Ode::Evaluation start = ode_.Evaluate(step_, x_, p);
      denoised_ = start.denoised;
      if (step_ + 1 == total_steps()) {
        FinishStep(start.derivative);
      } else {
        first_ = start.derivative;
        end_ = x_ + first_ * ode_.StepTo(step_ + 1);
        next_ = ode_.InputAt(step_ + 1, end_);
      }
    }
  }

 private:
  void FinishStep(const at::Tensor& derivative) {
    ++step_;
    x_ = x_ + derivative * ode_.StepTo(step_);
    first_.reset();
    if (done()) {
      denoised_ = x_;
    } else {
      next_ = ode_.InputAt(step_, x_);
    }
  }

  const Ode ode_;
  int step_ = 0;
  at::Tensor x_;      // at the start of the step
  at::Tensor first_;  // the derivative there; undefined before its evaluation
  at::Tensor end_;    // where Euler's step leads; with first_
  ModelInput next_;
  at::Tensor denoised_;
};

}  // namespace

std::unique_ptr<Sampler> MakeHeunSampler(const SamplerOptions& options, TimeGrid grid, at::Tensor noise) {
  return std::make_unique<HeunSampler>(options, std::move(grid), noise);
}

}  // namespace easel

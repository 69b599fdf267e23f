#include "model/train/noise_coupling.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

namespace easel {
namespace {

constexpr int kAscentSteps = 300;
constexpr int64_t kSamplesPerPicture = 4;  // of noise, in a step of the ascent

// The gradient of the dual is 1/n − P(picture i is chosen); the b of the last half of the steps are averaged.
at::Tensor Balance(const at::Tensor& pictures, at::Generator generator) {
  const int64_t n = pictures.size(0);
  at::Tensor b = at::zeros({n});
  // ⟨z, x_i − x_j⟩ varies by the distance of two pictures: the scale on which b matters.
  const double scale = (pictures - pictures.mean(0)).square().sum(1).mean().sqrt().item<double>();
  at::Tensor sum = at::zeros_like(b);
  for (int step = 0; step < kAscentSteps; ++step) {
    at::Tensor z = at::randn({kSamplesPerPicture * n, pictures.size(1)}, generator, at::kFloat);
    at::Tensor chosen = at::addmm(b, z, pictures.t()).argmax(1);
    at::Tensor share = at::bincount(chosen, {}, n).to(at::kFloat) / z.size(0);
    b = b + scale * (1 - static_cast<double>(step) / kAscentSteps) * (1 - n * share) / 10;
    if (2 * step >= kAscentSteps) sum = sum + b;
  }
  return sum / (kAscentSteps / 2);
}

}  // namespace

NoiseCoupling::NoiseCoupling(const at::Tensor& latents, std::vector<std::vector<int64_t>> groups, uint64_t seed)
    : groups_(std::move(groups)) {
  c10::NoGradGuard no_grad;
  at::Tensor flat = latents.flatten(1).to(at::kCPU, at::kFloat);
  for (const std::vector<int64_t>& group : groups_) {
    pictures_.push_back(flat.index_select(0, at::tensor(group, at::kLong)));
    biases_.push_back(Balance(pictures_.back(), at::detail::createCPUGenerator(seed)));
  }
}

int64_t NoiseCoupling::PictureOf(const at::Tensor& noise, int64_t group) const {
  return PicturesOf(noise.unsqueeze(0), group).front();
}

std::vector<int64_t> NoiseCoupling::PicturesOf(const at::Tensor& noise, int64_t group) const {
  c10::NoGradGuard no_grad;
  at::Tensor scores = at::addmm(biases_[group], noise.flatten(1).to(at::kCPU), pictures_[group].t());
  at::Tensor chosen = at::tensor(groups_[group], at::kLong).index_select(0, scores.argmax(1));
  return {chosen.data_ptr<int64_t>(), chosen.data_ptr<int64_t>() + chosen.numel()};
}

}  // namespace easel

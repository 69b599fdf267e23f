// Which picture a noise is to become, when a row's condition leaves that open.
//
// A class, or nothing, names many pictures. With noise and picture drawn apart from one another, what the network learns at the
// noisy end is their mean, and what a small one draws is often a blend. Here a noise goes to the picture of its group that
// semi-discrete optimal transport gives it (https://arxiv.org/abs/2304.14772 couples within batches; a few hundred known
// pictures allow the whole thing):
//
//   picture(z) = argmax_i ⟨z, x_i⟩ + b_i      over the latents x_i of the group, b such that every picture is equally likely
//
// The noise stays an exact normal sample and the pictures of a group stay uniform, so the flow carries noise to the same
// pictures as before, by paths that do not cross.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace easel {

class NoiseCoupling {
 public:
  // `latents` (N, C, H, W) on any device. `groups`: the indices of each group's pictures; none is empty. Finds every
  // group's b by stochastic ascent from `seed`: about a tenth of a second for each 100 pictures in a group.
  NoiseCoupling(const at::Tensor& latents, std::vector<std::vector<int64_t>> groups, uint64_t seed);

  // The index of the picture that `noise` (C, H, W) becomes in this group.
  int64_t PictureOf(const at::Tensor& noise, int64_t group) const;
  // The same for each row of (B, C, H, W).
  std::vector<int64_t> PicturesOf(const at::Tensor& noise, int64_t group) const;

 private:
  std::vector<std::vector<int64_t>> groups_;
  std::vector<at::Tensor> pictures_;  // a group's latents (n, C·H·W), on the CPU
  std::vector<at::Tensor> biases_;    // a group's b (n)
};

}  // namespace easel

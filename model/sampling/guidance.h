// Classifier-free guidance: v = v_uncond + s·(v_cond − v_uncond) (https://arxiv.org/abs/2207.12598), and its
// rescale (https://arxiv.org/abs/2305.08891, §3.4; diffusers rescale_noise_cfg).
#pragma once

#include <ATen/core/Tensor.h>

namespace easel {

struct Guidance {
  double scale = 1;    // any; 1: the conditional row alone, 0: the unconditional row alone
  double rescale = 0;  // [0, 1]: how far the result's standard deviation is moved to the conditional row's

  bool uses_conditional() const { return scale != 0; }
  bool uses_unconditional() const { return scale != 1; }
};

// conditional, unconditional, result: (C, H, W). One of the two may be undefined: the other is the result.
at::Tensor Guide(const Guidance& guidance, const at::Tensor& conditional, const at::Tensor& unconditional);

}  // namespace easel

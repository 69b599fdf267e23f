// The square root of a scalar tensor of LibTorch, as diffusers takes it. Its last digit is not always
// std::sqrt's, and a trajectory amplifies that (DDIM divides by 0.006 in its first step).
#pragma once

namespace easel {

float TorchSqrt(float value);

}  // namespace easel

// A network without weights that knows where it is going: any sampler lands on its target in any number of
// steps.
#pragma once

#include <ATen/ATen.h>

#include "model/transformers/transformer.h"

namespace easel {

// The target is one colour over the whole picture: the condition's `pooled` (B, 3), channel values in [-1,
// 1]. Predicts the velocity (x − target) / t; never to be asked at t = 0.
class AnalyticTransformer : public Transformer {
 public:
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override {
    at::Tensor target = conditioning.pooled.view({-1, 3, 1, 1});
    return (latent - target) / time.view({-1, 1, 1, 1});
  }
};

}  // namespace easel

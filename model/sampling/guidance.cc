#include "model/sampling/guidance.h"

#include <ATen/ATen.h>

namespace easel {

at::Tensor Guide(const Guidance& guidance, const at::Tensor& conditional, const at::Tensor& unconditional) {
  if (!unconditional.defined()) return conditional;
  if (!conditional.defined()) return unconditional;
  at::Tensor guided = unconditional + guidance.scale * (conditional - unconditional);
  if (guidance.rescale == 0) return guided;
  at::Tensor rescaled = guided * (conditional.std() / guided.std());
  return guidance.rescale * rescaled + (1 - guidance.rescale) * guided;
}

}  // namespace easel

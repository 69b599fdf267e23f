#include "model/nn/packed_weight.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "model/nn/kernels/kernels.h"
#include "model/nn/spread.h"

namespace easel {
namespace {

constexpr int64_t kRowsAtOnce = 240;  // those for which the kernels read the weights once, whatever their tile

}  // namespace

PackedWeight::PackedWeight(const at::Tensor& weight) {
  const CpuKernels* kernels = FastestCpuKernels();
  if (kernels == nullptr || !weight.device().is_cpu() || weight.scalar_type() != at::kFloat || weight.requires_grad() ||
      weight.dim() != 2 || weight.numel() == 0 || !weight.is_contiguous()) {
    return;
  }
  out_ = weight.size(0);
  in_ = weight.size(1);
  const int64_t panels = (out_ + kernels->panel - 1) / kernels->panel;
  packed_ = at::empty({panels * kernels->panel * in_}, at::kFloat);
  kernels->pack(weight.const_data_ptr<float>(), out_, in_, packed_.mutable_data_ptr<float>());
}

at::Tensor PackedWeight::Multiply(const at::Tensor& x, const at::Tensor& bias) const {
  TORCH_CHECK(x.device().is_cpu() && x.scalar_type() == at::kFloat && x.size(-1) == in_, "a packed weight of ", in_,
              " columns cannot take ", x.sizes(), " of ", x.scalar_type());
  TORCH_CHECK(!(x.requires_grad() && at::GradMode::is_enabled()), "a packed weight is not to be trained through");
  const at::Tensor from = x.contiguous();
  at::Tensor y = at::empty({from.numel() / in_, out_}, at::kFloat);
  InPieces(y.size(0), kRowsAtOnce, [&](int64_t begin, int64_t end) {
    FastestCpuKernels()->multiply(from.const_data_ptr<float>() + begin * in_, end - begin, in_, packed_.const_data_ptr<float>(),
                                  bias.defined() ? bias.const_data_ptr<float>() : nullptr, out_,
                                  y.mutable_data_ptr<float>() + begin * out_);
  });
  return y;
}

}  // namespace easel

#include "model/nn/layers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace easel {
namespace {

constexpr int64_t kMinRows = 16;  // from here on a row's bits no longer depend on the row count

}  // namespace

Linear::Linear(const Weights& weights, int64_t in, int64_t out, Bias has_bias, Init init)
    : Linear(weights.Take("weight", {out, in}, init),
             has_bias == Bias::kYes ? weights.Take("bias", {out}, Init::kZeros) : at::Tensor()) {}

Linear::Linear(at::Tensor weight, at::Tensor b)
    : bias(b.defined() ? b.contiguous() : b), packed_(weight), options_(weight.options()) {
  if (!packed_.defined()) weight_ = std::move(weight);
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (packed_.defined()) {
    std::vector<int64_t> shape = x.sizes().vec();
    shape.back() = packed_.out();
    return packed_.Multiply(x, bias).reshape(shape);
  }
  if (at::GradMode::is_enabled() || !x.device().is_cpu()) return at::linear(x, weight_, bias);
  // Always two-dimensional: of more dimensions LibTorch adds the bias apart, with other bits, when x is not contiguous.
  const int64_t rows = x.numel() / x.size(-1);
  at::Tensor flat = x.reshape({rows, x.size(-1)});
  if (rows < kMinRows) flat = at::constant_pad_nd(flat, {0, 0, 0, kMinRows - rows});
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight_.size(0);
  return at::linear(flat, weight_, bias).narrow(0, 0, rows).reshape(shape);
}

Conv2d::Conv2d(const Weights& weights, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding)
    : weight(weights.Take("weight", {out, in, kernel, kernel}, Init::kKaimingUniform)),
      bias(weights.Take("bias", {out}, Init::kZeros)),
      stride(stride),
      padding(padding) {}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  return at::conv2d(x, weight, bias, {stride, stride}, {padding, padding});
}

LayerNorm::LayerNorm(const Weights& weights, int64_t dim, double eps)
    : weight(weights.Take("weight", {dim}, Init::kOnes)), bias(weights.Take("bias", {dim}, Init::kZeros)), eps(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

GroupNorm::GroupNorm(const Weights& weights, int64_t groups, int64_t channels, double eps)
    : weight(weights.Take("weight", {channels}, Init::kOnes)),
      bias(weights.Take("bias", {channels}, Init::kZeros)),
      groups(groups),
      eps(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const { return at::group_norm(x, groups, weight, bias, eps); }

at::Tensor PlainLayerNorm(const at::Tensor& x, double eps) { return at::layer_norm(x, {x.size(-1)}, {}, {}, eps); }

at::Tensor MultiHeadAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                              const at::Tensor& mask, bool causal) {
  auto split = [heads](const at::Tensor& x) {
    return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);  // (B, H, L, D)
  };
  std::optional<at::Tensor> attn_mask;
  if (mask.defined()) attn_mask = mask;
  at::Tensor out = at::scaled_dot_product_attention(split(q), split(k), split(v), attn_mask, /*dropout_p=*/0.0, causal);
  return out.transpose(1, 2).reshape({q.size(0), q.size(1), v.size(2)});  // (B, Lq, H·D)
}

}  // namespace easel

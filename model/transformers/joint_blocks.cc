#include "model/transformers/joint_blocks.h"

#include <ATen/ATen.h>

#include <vector>

#include "model/nn/activation.h"
#include "model/nn/embedding.h"
#include "model/nn/modulation.h"

namespace easel {
namespace {

constexpr double kEps = kJointNormEps;
constexpr int64_t kTimeFrequencies = 256;

}  // namespace

AdaptiveNorm::AdaptiveNorm(const Weights& weights, int64_t dim) : linear(weights / "linear", dim, 2 * dim) {}

at::Tensor AdaptiveNorm::operator()(const at::Tensor& x, const at::Tensor& condition) const {
  const std::vector<at::Tensor> m = linear(condition).chunk(2, -1);  // scale first, unlike norm1
  return ModulatedNorm(x, m[1], m[0], kEps);
}

TimeTextEmbed::Embedder::Embedder(const Weights& weights, int64_t in, int64_t out)
    : linear_1(weights / "linear_1", in, out), linear_2(weights / "linear_2", out, out) {}

at::Tensor TimeTextEmbed::Embedder::operator()(const at::Tensor& x) const {
  return linear_2(Silu(linear_1(x)));
}

TimeTextEmbed::TimeTextEmbed(const Weights& weights, int64_t pooled_dim, int64_t dim, bool has_guidance)
    : timestep_embedder(weights / "timestep_embedder", kTimeFrequencies, dim),
      text_embedder(weights / "text_embedder", pooled_dim, dim) {
  if (has_guidance) guidance_embedder.emplace(weights / "guidance_embedder", kTimeFrequencies, dim);
}

at::Tensor TimeTextEmbed::operator()(const at::Tensor& time, const at::Tensor& guidance,
                                     const at::Tensor& pooled) const {
  auto waves = [&pooled](const at::Tensor& t) {
    return SinusoidalTime(t, kTimeFrequencies).to(pooled.scalar_type());  // (B, 256)
  };
  at::Tensor embedding = timestep_embedder(waves(time));  // (B, D)
  if (guidance_embedder) embedding = embedding + (*guidance_embedder)(waves(guidance));
  return embedding + text_embedder(pooled);
}

HeadProjections::HeadProjections(const Weights& weights, Names names, int64_t heads, int64_t head_dim,
                                 QkNorm qk_norm)
    : q(weights / (names == Names::kOwn ? "to_q" : "add_q_proj"), heads * head_dim, heads * head_dim),
      k(weights / (names == Names::kOwn ? "to_k" : "add_k_proj"), heads * head_dim, heads * head_dim),
      v(weights / (names == Names::kOwn ? "to_v" : "add_v_proj"), heads * head_dim, heads * head_dim),
      heads(heads) {
  if (qk_norm == QkNorm::kNone) return;
  norm_q =
      (weights / (names == Names::kOwn ? "norm_q" : "norm_added_q")).Take("weight", {head_dim}, Init::kOnes);
  norm_k =
      (weights / (names == Names::kOwn ? "norm_k" : "norm_added_k")).Take("weight", {head_dim}, Init::kOnes);
}

HeadProjections::Heads HeadProjections::operator()(const at::Tensor& x) const {
  auto split = [this](const at::Tensor& t) { return t.unflatten(-1, {heads, -1}); };
  auto normed = [this](const at::Tensor& t, const at::Tensor& weight) {
    return weight.defined() ? HeadNorm(t, weight, heads, kEps) : t;
  };
  return {split(normed(q(x), norm_q)), split(normed(k(x), norm_k)), split(v(x))};
}

at::Tensor Attend(const HeadProjections::Heads& heads, const RotaryTable* rotary) {
  const at::Tensor q = rotary != nullptr ? Rotate(heads.q, *rotary) : heads.q;
  const at::Tensor k = rotary != nullptr ? Rotate(heads.k, *rotary) : heads.k;
  return MultiHeadAttention(q.flatten(2), k.flatten(2), heads.v.flatten(2), q.size(2));
}

SelfAttention::SelfAttention(const Weights& weights, int64_t heads, int64_t head_dim, QkNorm qk_norm)
    : projections(weights, HeadProjections::Names::kOwn, heads, head_dim, qk_norm),
      to_out(weights / "to_out" / 0, heads * head_dim, heads * head_dim) {}

at::Tensor SelfAttention::operator()(const at::Tensor& x) const {
  return to_out(Attend(projections(x), /*rotary=*/nullptr));
}

JointAttention::JointAttention(const Weights& weights, int64_t heads, int64_t head_dim, QkNorm qk_norm,
                               bool text_is_done)
    : image(weights, HeadProjections::Names::kOwn, heads, head_dim, qk_norm),
      text(weights, HeadProjections::Names::kAdded, heads, head_dim, qk_norm),
      to_out(weights / "to_out" / 0, heads * head_dim, heads * head_dim) {
  if (!text_is_done) to_add_out.emplace(weights / "to_add_out", heads * head_dim, heads * head_dim);
}

TokenStreams JointAttention::operator()(const TokenStreams& x, const RotaryTable* rotary) const {
  const HeadProjections::Heads of_text = text(x.text), of_image = image(x.image);
  auto join = [](const at::Tensor& a, const at::Tensor& b) { return at::cat({a, b}, 1); };
  const at::Tensor joined =
      Attend({join(of_text.q, of_image.q), join(of_text.k, of_image.k), join(of_text.v, of_image.v)}, rotary);
  const std::vector<at::Tensor> parts = joined.split_with_sizes({x.text.size(1), x.image.size(1)}, 1);
  return {to_out(parts[1]), to_add_out ? (*to_add_out)(parts[0]) : at::Tensor()};
}

TokenFeedForward::TokenFeedForward(const Weights& weights, int64_t dim)
    : net_0_proj(weights / "net" / 0 / "proj", dim, 4 * dim), net_2(weights / "net" / 2, 4 * dim, dim) {}

at::Tensor TokenFeedForward::operator()(const at::Tensor& x) const {
  return net_2(Gelu(net_0_proj(x), "tanh"));
}

JointBlock::JointBlock(const Weights& weights, const Options& o)
    : norm1(weights / "norm1" / "linear", o.heads * o.head_dim,
            (o.dual_attention ? 9 : 6) * o.heads * o.head_dim),
      attn(weights / "attn", o.heads, o.head_dim, o.qk_norm, o.text_is_done),
      ff(weights / "ff", o.heads * o.head_dim) {
  const int64_t dim = o.heads * o.head_dim;
  if (o.dual_attention) attn2.emplace(weights / "attn2", o.heads, o.head_dim, o.qk_norm);
  if (o.text_is_done) {
    last_norm1_context.emplace(weights / "norm1_context", dim);
  } else {
    norm1_context.emplace(weights / "norm1_context" / "linear", dim, 6 * dim);
    ff_context.emplace(weights / "ff_context", dim);
  }
}

TokenStreams JointBlock::operator()(const TokenStreams& x, const at::Tensor& condition,
                                    const RotaryTable* rotary) const {
  // (B, D) each: shift, scale and gate of the attention, of the MLP, and of the second attention.
  const std::vector<at::Tensor> m = norm1(condition).chunk(attn2 ? 9 : 6, -1);
  const std::vector<at::Tensor> c =
      norm1_context ? (*norm1_context)(condition).chunk(6, -1) : std::vector<at::Tensor>();

  const TokenStreams attended = attn(
      {ModulatedNorm(x.image, m[0], m[1], kEps),
       norm1_context ? ModulatedNorm(x.text, c[0], c[1], kEps) : (*last_norm1_context)(x.text, condition)},
      rotary);
  at::Tensor image = GatedAdd(x.image, m[2], attended.image);  // (B, N, D)
  if (attn2)
    image =
        GatedAdd(image, m[8], (*attn2)(ModulatedNorm(x.image, m[6], m[7], kEps)));  // of the block's input
  image = GatedAdd(image, m[5], ff(ModulatedNorm(image, m[3], m[4], kEps)));
  if (!norm1_context) return {image, at::Tensor()};

  at::Tensor text = GatedAdd(x.text, c[2], attended.text);  // (B, L, D)
  text = GatedAdd(text, c[5], (*ff_context)(ModulatedNorm(text, c[3], c[4], kEps)));
  return {image, text};
}

}  // namespace easel

#include "model/conditioning/t5_text_encoder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <utility>

#include "model/nn/activation.h"

namespace easel {
namespace {

constexpr int64_t kMaxSize = 1 << 24;      // so that no product of two overflows
constexpr int64_t kMaxDistance = 1 << 16;  // a table is made of as many
constexpr double kFloat16Clamp = 64504;     // 1000 below the largest float16

at::Tensor TokenTable(const T5TextParams& p, const Weights& weights) {
  constexpr std::string_view kOwn = "encoder.embed_tokens.weight", kShared = "shared.weight";
  const std::vector<int64_t> shape = {p.vocab_size, p.d_model};
  if (!weights.Has(kOwn)) return weights.Take(kShared, shape, Init::kNormal02);
  if (weights.Has(kShared)) weights.Take(kShared, shape, Init::kNormal02);  // of no effect, but not left over
  return weights.Take(kOwn, shape, Init::kNormal02);
}

// float16 overflows in the product, so the weight of a float16 network is float32.
Linear OutputProjection(const Weights& weights, int64_t in, int64_t out) {
  const at::Tensor weight = weights.Take("weight", {out, in}, Init::kXavierUniform);
  return Linear(weight.scalar_type() == at::kHalf ? weight.to(at::kFloat) : weight, /*bias=*/{});
}

// In float16, a row of (B, L, C) with an infinity anywhere is cut to what a sum does not overflow with at once.
at::Tensor ClampInfinities(const at::Tensor& x) {
  if (x.scalar_type() != at::kHalf) return x;
  at::Tensor infinite = x.isinf().flatten(1).any(1).reshape({-1, 1, 1});
  return at::where(infinite, x.clamp(-kFloat16Clamp, kFloat16Clamp), x);
}

double Lowest(c10::ScalarType dtype) {
  if (dtype == at::kHalf) return std::numeric_limits<c10::Half>::lowest();
  if (dtype == at::kBFloat16) return std::numeric_limits<c10::BFloat16>::lowest();
  return std::numeric_limits<float>::lowest();
}

// (B, L, H·D) tensors, as MultiHeadAttention, but for the logits, which are not divided by √D.
at::Tensor UnscaledAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                             const at::Tensor& bias) {
  auto split = [heads](const at::Tensor& x) {
    return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);  // (B, H, L, D)
  };
  at::Tensor out = at::scaled_dot_product_attention(split(q), split(k), split(v), bias, /*dropout_p=*/0.0,
                                                    /*is_causal=*/false, /*scale=*/1.0);
  return out.transpose(1, 2).reshape(q.sizes());
}

}  // namespace

absl::StatusOr<T5TextParams> T5TextParams::FromConfig(JsonObject& config) {
  T5TextParams p;
  const std::pair<const char*, int64_t*> sizes[] = {
      {"vocab_size", &p.vocab_size},
      {"d_model", &p.d_model},
      {"d_kv", &p.d_kv},
      {"d_ff", &p.d_ff},
      {"num_layers", &p.num_layers},
      {"num_heads", &p.num_heads},
      {"relative_attention_num_buckets", &p.relative_attention_num_buckets},
      {"relative_attention_max_distance", &p.relative_attention_max_distance}};
  for (const auto& [key, value] : sizes) {
    *value = config.Int(key, *value);
    if (*value < 1 || *value > kMaxSize) config.Fail(key, "must be in 1.." + std::to_string(kMaxSize));
  }
  if (p.relative_attention_num_buckets < 4) config.Fail("relative_attention_num_buckets", "must be at least 4");
  if (p.relative_attention_max_distance > kMaxDistance ||
      p.relative_attention_max_distance <= p.relative_attention_num_buckets / 4) {
    config.Fail("relative_attention_max_distance",
                "must be above a quarter of relative_attention_num_buckets and at most " +
                    std::to_string(kMaxDistance));
  }
  p.layer_norm_epsilon = config.Number("layer_norm_epsilon", p.layer_norm_epsilon);

  const std::string proj = config.String("feed_forward_proj", "relu");
  if (proj != "relu" && proj != "gated-relu" && proj != "gated-gelu") {
    config.Fail("feed_forward_proj",
                "\"" + proj + "\" is not supported; relu, gated-relu and gated-gelu are");
  }
  p.dense_act_fn = config.String("dense_act_fn", proj == "gated-gelu" ? "gelu_new" : "relu");
  if (p.dense_act_fn != "relu" && p.dense_act_fn != "gelu_new") {
    config.Fail("dense_act_fn", "\"" + p.dense_act_fn + "\" is not supported; relu and gelu_new are");
  }
  p.is_gated_act = config.Bool("is_gated_act", proj.starts_with("gated-"));
  if (config.Bool("is_decoder", false)) config.Fail("is_decoder", "must be false: only encoders are supported");
  for (const auto& [other, key] : {std::pair("hidden_size", "d_model"), std::pair("head_dim", "d_kv"),
                                   std::pair("num_hidden_layers", "num_layers"),
                                   std::pair("num_attention_heads", "num_heads")}) {
    if (config.Has(other)) config.Fail(other, std::string("is not supported; write ") + key);
  }
  if (!config.status().ok()) return config.status();
  return p;
}

at::Tensor T5RelativePositionBucket(const at::Tensor& distance, int64_t num_buckets, int64_t max_distance) {
  const int64_t each = num_buckets / 2;  // a side: keys before the query, keys behind it
  const int64_t exact = each / 2;        // distances with a bucket of their own; then ever wider ones
  at::Tensor d = distance.abs();
  at::Tensor wide = at::log(d.to(at::kFloat) / exact) / std::log(static_cast<double>(max_distance) / exact);
  // At distance 0 the logarithm has no integer, and no use either.
  wide = exact + (wide * (each - exact)).clamp_min(0).to(at::kLong);
  at::Tensor bucket = at::where(d.lt(exact), d, wide.clamp_max(each - 1));
  return bucket + distance.gt(0).to(at::kLong) * each;
}

T5TextEncoder::RmsNorm::RmsNorm(const Weights& weights, int64_t dim, double eps)
    : weight(weights.Take("weight", {dim}, Init::kOnes)), eps(eps) {}

at::Tensor T5TextEncoder::RmsNorm::operator()(const at::Tensor& x) const {
  at::Tensor variance = x.to(at::kFloat).square().mean(-1, /*keepdim=*/true);
  return weight * (x * at::rsqrt(variance + eps)).to(weight.scalar_type());
}

T5TextEncoder::Block::Block(const T5TextParams& p, const Weights& weights)
    : heads(p.num_heads),
      gelu(p.dense_act_fn == "gelu_new"),
      attention_norm(weights / "layer.0.layer_norm", p.d_model, p.layer_norm_epsilon),
      q(weights / "layer.0.SelfAttention.q", p.d_model, p.num_heads * p.d_kv, Bias::kNo),
      k(weights / "layer.0.SelfAttention.k", p.d_model, p.num_heads * p.d_kv, Bias::kNo),
      v(weights / "layer.0.SelfAttention.v", p.d_model, p.num_heads * p.d_kv, Bias::kNo),
      o(weights / "layer.0.SelfAttention.o", p.num_heads * p.d_kv, p.d_model, Bias::kNo),
      mlp_norm(weights / "layer.1.layer_norm", p.d_model, p.layer_norm_epsilon),
      wo(OutputProjection(weights / "layer.1.DenseReluDense.wo", p.d_ff, p.d_model)) {
  const Weights mlp = weights / "layer.1.DenseReluDense";
  if (p.is_gated_act) {
    wi_0.emplace(mlp / "wi_0", p.d_model, p.d_ff, Bias::kNo);
    wi_1.emplace(mlp / "wi_1", p.d_model, p.d_ff, Bias::kNo);
  } else {
    wi.emplace(mlp / "wi", p.d_model, p.d_ff, Bias::kNo);
  }
}

at::Tensor T5TextEncoder::Block::operator()(at::Tensor x, const at::Tensor& bias) const {
  at::Tensor h = attention_norm(x);                                           // (B, L, C)
  x = ClampInfinities(x + o(UnscaledAttention(q(h), k(h), v(h), heads, bias)));  // (B, L, C)
  h = mlp_norm(x);
  at::Tensor hidden = wi_0 ? (*wi_0)(h) : (*wi)(h);  // (B, L, d_ff)
  hidden = gelu ? Gelu(hidden, "tanh") : at::relu(hidden);
  if (wi_1) hidden = hidden * (*wi_1)(h);
  return x + wo(hidden.to(wo.options()));
}

T5TextEncoder::T5TextEncoder(const T5TextParams& p, const Weights& weights)
    : params_(p),
      token_embedding_(TokenTable(p, weights)),
      relative_attention_bias_(weights.Take("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                                            {p.relative_attention_num_buckets, p.num_heads}, Init::kNormal02)),
      final_layer_norm_(weights / "encoder" / "final_layer_norm", p.d_model, p.layer_norm_epsilon) {
  const int64_t farthest = p.relative_attention_max_distance;  // beyond, all share the last bucket
  buckets_ = T5RelativePositionBucket(at::arange(-farthest, farthest + 1, at::kLong),
                                      p.relative_attention_num_buckets, farthest)
                 .to(token_embedding_.device());
  for (int64_t i = 0; i < p.num_layers; ++i) blocks_.emplace_back(p, weights / "encoder" / "block" / i);
}

at::Tensor T5TextEncoder::AttentionBias(int64_t length, const at::Tensor& mask) const {
  const int64_t farthest = params_.relative_attention_max_distance;
  at::Tensor position = at::arange(length, buckets_.options());
  at::Tensor distance = position.unsqueeze(0) - position.unsqueeze(1);  // (L, L): key − query
  at::Tensor bucket = buckets_.index_select(0, (distance.clamp(-farthest, farthest) + farthest).flatten());
  at::Tensor bias = relative_attention_bias_.t().contiguous().index_select(1, bucket);  // (H, L·L)
  bias = bias.reshape({1, params_.num_heads, length, length});
  if (!mask.defined()) return bias;
  // Not −∞: a row of nothing but padding must not become NaN.
  return at::where(mask.unsqueeze(1).unsqueeze(1), bias, at::full({}, Lowest(bias.scalar_type()), bias.options()));
}

TextFeatures T5TextEncoder::Forward(const at::Tensor& ids, const at::Tensor& mask) const {
  const at::Tensor bias = AttentionBias(ids.size(1), mask);
  at::Tensor x = at::embedding(token_embedding_, ids);  // (B, L, C)
  for (const Block& block : blocks_) x = block(x, bias);
  TextFeatures features;
  features.hidden = final_layer_norm_(x);
  return features;
}

}  // namespace easel

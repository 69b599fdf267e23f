#include "model/conditioning/clip_text_encoder.h"

#include <ATen/ATen.h>

#include <utility>

#include "model/nn/activation.h"
#include "model/nn/quick_gelu.h"

namespace easel {
namespace {

constexpr int64_t kOldEosTokenId = 2;

Weights Root(const Weights& weights) {
  return weights.Has("text_model.embeddings.token_embedding.weight") ? weights / "text_model" : weights;
}

// Who may attend to whom, (B, 1, L, L): each to itself and those before, of them to no padding.
at::Tensor CausalMask(const at::Tensor& mask) {
  const int64_t length = mask.size(1);
  at::Tensor causal = at::ones({length, length}, mask.options()).tril();
  return causal.logical_and(mask.unsqueeze(1).unsqueeze(1));
}

}  // namespace

absl::StatusOr<ClipTextParams> ClipTextParams::FromConfig(JsonObject& config) {
  ClipTextParams p;
  const std::pair<const char*, int64_t*> sizes[] = {{"vocab_size", &p.vocab_size},
                                                    {"hidden_size", &p.hidden_size},
                                                    {"intermediate_size", &p.intermediate_size},
                                                    {"num_hidden_layers", &p.num_hidden_layers},
                                                    {"num_attention_heads", &p.num_attention_heads},
                                                    {"max_position_embeddings", &p.max_position_embeddings},
                                                    {"projection_dim", &p.projection_dim}};
  constexpr int64_t kMaxSize = 1 << 24;  // so that no product of two overflows
  for (const auto& [key, value] : sizes) {
    *value = config.Int(key, *value);
    if (*value < 1 || *value > kMaxSize) config.Fail(key, "must be in 1.." + std::to_string(kMaxSize));
  }
  if (config.status().ok() && p.hidden_size % p.num_attention_heads != 0) {
    config.Fail("num_attention_heads", "does not divide hidden_size");
  }
  p.hidden_act = config.String("hidden_act", p.hidden_act);
  if (p.hidden_act != "quick_gelu" && p.hidden_act != "gelu") {
    config.Fail("hidden_act", "\"" + p.hidden_act + "\" is not supported; quick_gelu and gelu are");
  }
  p.layer_norm_eps = config.Number("layer_norm_eps", p.layer_norm_eps);
  p.eos_token_id = config.Int("eos_token_id", p.eos_token_id);
  if (config.Has("text_config")) config.Fail("text_config", "is not supported; its keys must be the file's own");
  if (!config.status().ok()) return config.status();
  return p;
}

ClipTextEncoder::Layer::Layer(const ClipTextParams& p, const Weights& weights)
    : heads(p.num_attention_heads),
      quick_gelu(p.hidden_act == "quick_gelu"),
      layer_norm1(weights / "layer_norm1", p.hidden_size, p.layer_norm_eps),
      q_proj(weights / "self_attn" / "q_proj", p.hidden_size, p.hidden_size),
      k_proj(weights / "self_attn" / "k_proj", p.hidden_size, p.hidden_size),
      v_proj(weights / "self_attn" / "v_proj", p.hidden_size, p.hidden_size),
      out_proj(weights / "self_attn" / "out_proj", p.hidden_size, p.hidden_size),
      layer_norm2(weights / "layer_norm2", p.hidden_size, p.layer_norm_eps),
      fc1(weights / "mlp" / "fc1", p.hidden_size, p.intermediate_size),
      fc2(weights / "mlp" / "fc2", p.intermediate_size, p.hidden_size) {}

at::Tensor ClipTextEncoder::Layer::operator()(const at::Tensor& x, const at::Tensor& mask) const {
  at::Tensor h = layer_norm1(x);  // (B, L, C)
  at::Tensor attended =
      MultiHeadAttention(q_proj(h), k_proj(h), v_proj(h), heads, mask, /*causal=*/!mask.defined());
  at::Tensor y = x + out_proj(attended);
  h = fc1(layer_norm2(y));  // (B, L, intermediate_size)
  h = quick_gelu ? QuickGelu(h) : Gelu(h, "none");
  return y + fc2(h);
}

ClipTextEncoder::ClipTextEncoder(const ClipTextParams& params, const Weights& weights, TextProjection projection)
    : params_(params),
      token_embedding_(Root(weights).Take("embeddings.token_embedding.weight",
                                          {params.vocab_size, params.hidden_size}, Init::kNormal02)),
      position_embedding_(Root(weights).Take("embeddings.position_embedding.weight",
                                             {params.max_position_embeddings, params.hidden_size},
                                             Init::kNormal02)),
      final_layer_norm_(Root(weights) / "final_layer_norm", params.hidden_size, params.layer_norm_eps) {
  for (int64_t i = 0; i < params.num_hidden_layers; ++i) {
    layers_.emplace_back(params, Root(weights) / "encoder" / "layers" / i);
  }
  if (projection == TextProjection::kYes) {
    text_projection_.emplace(weights / "text_projection", params.hidden_size, params.projection_dim, Bias::kNo);
  }
}

TextFeatures ClipTextEncoder::Forward(const at::Tensor& ids, const at::Tensor& mask) const {
  TORCH_CHECK(ids.size(1) <= params_.max_position_embeddings, "prompt of ", ids.size(1),
              " tokens; the encoder takes ", params_.max_position_embeddings);
  at::Tensor x =
      at::embedding(token_embedding_, ids) + position_embedding_.narrow(0, 0, ids.size(1));  // (B, L, C)
  const at::Tensor attend = mask.defined() ? CausalMask(mask) : at::Tensor();
  TextFeatures features;
  for (const Layer& layer : layers_) {
    features.penultimate = x;
    x = layer(x, attend);
  }
  features.hidden = final_layer_norm_(x);
  // argmax gives the first of equals.
  at::Tensor place = params_.eos_token_id == kOldEosTokenId
                         ? ids.argmax(1)
                         : ids.eq(params_.eos_token_id).to(at::kInt).argmax(1);  // (B)
  at::Tensor index = place.reshape({-1, 1, 1}).expand({-1, 1, params_.hidden_size});
  features.pooled = features.hidden.gather(1, index).squeeze(1);  // (B, C)
  if (text_projection_) features.pooled = (*text_projection_)(features.pooled);
  return features;
}

}  // namespace easel

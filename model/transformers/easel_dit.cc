#include "model/transformers/easel_dit.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "model/nn/activation.h"
#include "model/nn/embedding.h"
#include "model/nn/modulation.h"

namespace easel {
namespace {

constexpr double kNormEps = 1e-6;
constexpr int64_t kTimeFrequencies = 256;
constexpr double kTimeScale = 1000;  // t in [0, 1] to the range that the sines' frequencies are made for

}  // namespace

absl::StatusOr<EaselDiTParams> EaselDiTParams::FromConfig(JsonObject& config) {
  EaselDiTParams p;
  p.img_size = config.Int("img_size");
  p.patch_size = config.Int("patch_size");
  p.in_channels = config.Int("in_channels");
  p.embed_dim = config.Int("embed_dim");
  p.depth = config.Int("depth");
  p.num_heads = config.Int("num_heads");
  p.mlp_ratio = config.Number("mlp_ratio", p.mlp_ratio);
  p.num_classes = config.Int("num_classes", 0);
  p.context_dim = config.Int("context_dim", 0);
  p.layout_hidden = config.Int("layout_hidden", p.layout_hidden);
  p.layout_dim = config.Int("layout_dim", p.layout_dim);
  p.recall_size = config.Int("recall_size", p.recall_size);
  p.recall_dim = config.Int("recall_dim", p.recall_dim);
  auto check = [&config](bool ok, std::string_view key, std::string_view want) {
    if (!ok && config.status().ok()) config.Fail(key, std::string(want));
  };
  check(p.patch_size > 0 && p.patch_size <= 64, "patch_size", "must be in 1 … 64");
  check(p.img_size > 0 && p.img_size <= 4096 && (p.patch_size <= 0 || p.img_size % p.patch_size == 0), "img_size",
        "must be a positive multiple of patch_size");
  check(p.in_channels > 0 && p.in_channels <= 256, "in_channels", "must be in 1 … 256");
  check(p.num_heads > 0, "num_heads", "must be positive");
  check(p.embed_dim > 0 && p.embed_dim <= 65536 && p.embed_dim % 4 == 0 && (p.num_heads <= 0 || p.embed_dim % p.num_heads == 0),
        "embed_dim", "must be a positive multiple of 4 and of num_heads");
  check(p.depth > 0 && p.depth <= 1000, "depth", "must be in 1 … 1000");
  check(p.mlp_ratio > 0 && p.mlp_ratio <= 64, "mlp_ratio", "must be positive");
  check(p.num_classes >= 0 && p.num_classes <= 1000000, "num_classes", "must not be negative");
  check(p.context_dim >= 0 && p.context_dim <= 65536, "context_dim", "must not be negative");
  check(p.layout_hidden > 0 && p.layout_hidden <= 65536, "layout_hidden", "must be positive");
  check(p.layout_dim > 0 && p.layout_dim <= 65536, "layout_dim", "must be positive");
  check(p.recall_size >= 0 && p.recall_size <= 1000000, "recall_size", "must not be negative");
  check(p.recall_size == 0 || p.context_dim > 0, "recall_size", "must be 0 in a network without text (context_dim 0)");
  check(p.recall_dim > 0 && p.recall_dim <= 65536, "recall_dim", "must be positive");
  if (!config.status().ok()) return config.status();
  return p;
}

EaselDiT::CrossAttention::CrossAttention(const Weights& weights, int64_t dim, int64_t context_dim, int64_t heads)
    : q(weights / "q", dim, dim), kv(weights / "kv", context_dim, 2 * dim), out(weights / "out", dim, dim), heads(heads) {}

at::Tensor EaselDiT::CrossAttention::operator()(const at::Tensor& x, const at::Tensor& text, const at::Tensor& mask) const {
  std::vector<at::Tensor> k_v = kv(text).chunk(2, -1);  // (B, 1 + L, D) each
  return out(MultiHeadAttention(q(x), k_v[0], k_v[1], heads, mask));
}

EaselDiT::Block::Block(const Weights& weights, const EaselDiTParams& p, bool has_cross_attention)
    : heads(p.num_heads),
      modulation(weights / "modulation", p.embed_dim, (has_cross_attention ? 9 : 6) * p.embed_dim, Bias::kYes, Init::kZeros),
      qkv(weights / "attn" / "qkv", p.embed_dim, 3 * p.embed_dim),
      out(weights / "attn" / "out", p.embed_dim, p.embed_dim),
      q_norm((weights / "attn").Take("q_norm", {p.embed_dim / p.num_heads}, Init::kOnes)),
      k_norm((weights / "attn").Take("k_norm", {p.embed_dim / p.num_heads}, Init::kOnes)),
      fc1(weights / "mlp" / "fc1", p.embed_dim, static_cast<int64_t>(p.embed_dim * p.mlp_ratio)),
      fc2(weights / "mlp" / "fc2", static_cast<int64_t>(p.embed_dim * p.mlp_ratio), p.embed_dim) {
  if (has_cross_attention) cross_attention.emplace(weights / "cross_attn", p.embed_dim, p.context_dim, p.num_heads);
}

at::Tensor EaselDiT::Block::operator()(at::Tensor x, const at::Tensor& condition, const at::Tensor& text,
                                       const at::Tensor& mask) const {
  std::vector<at::Tensor> m = modulation(condition).chunk(cross_attention ? 9 : 6, 1);  // (B, D) each
  std::vector<at::Tensor> q_k_v = qkv(ModulatedNorm(x, m[0], m[1], kNormEps)).chunk(3, -1);  // (B, N, D) each
  at::Tensor attended = MultiHeadAttention(HeadNorm(q_k_v[0], q_norm, heads, kNormEps), HeadNorm(q_k_v[1], k_norm, heads, kNormEps),
                                           q_k_v[2], heads);
  x = GatedAdd(x, m[2], out(attended));  // (B, N, D)
  if (cross_attention) x = GatedAdd(x, m[8], (*cross_attention)(ModulatedNorm(x, m[6], m[7], kNormEps), text, mask));
  return GatedAdd(x, m[5], fc2(Gelu(fc1(ModulatedNorm(x, m[3], m[4], kNormEps)), "tanh")));
}

EaselDiT::Recall::Recall(const Weights& weights, const EaselDiTParams& p)
    : query(weights / "query", p.in_channels * p.img_size * p.img_size + 2 * p.embed_dim, p.recall_dim),
      gain(weights / "gain", p.embed_dim, 1, Bias::kYes, Init::kZeros),
      key(weights / "key", p.recall_dim, p.recall_size),
      value(weights / "value", p.recall_size, p.context_dim, Bias::kNo) {}

// The gain lets the scores grow as the latent gets clearer.
at::Tensor EaselDiT::Recall::Scores(const at::Tensor& latent, const at::Tensor& when, const at::Tensor& kind) const {
  at::Tensor asked = query(at::cat({latent.flatten(1), when, kind}, 1));  // (B, recall_dim)
  return key(asked * at::exp(gain(when))).to(at::kFloat);
}

EaselDiT::EaselDiT(const EaselDiTParams& p, const Weights& weights)
    : params_(p),
      positions_(SinusoidalGrid(p.img_size / p.patch_size, p.embed_dim)),
      patch_embed_(weights / "patch_embed", p.in_channels * p.patch_size * p.patch_size, p.embed_dim),
      time_fc1_(weights / "time_embed" / "fc1", kTimeFrequencies, p.embed_dim),
      time_fc2_(weights / "time_embed" / "fc2", p.embed_dim, p.embed_dim),
      class_embed_((weights / "class_embed").Take("weight", {p.num_classes + 1, p.embed_dim}, Init::kNormal02)),
      layout_fc1_(weights / "layout" / "fc1", p.embed_dim, p.layout_hidden),
      layout_latent_(weights / "layout" / "latent", p.in_channels * p.img_size * p.img_size + p.embed_dim, p.layout_hidden,
                     Bias::kNo, Init::kZeros),
      layout_mlp_fc1_(weights / "layout" / "mlp" / "fc1", p.layout_hidden, 2 * p.layout_hidden),
      layout_mlp_fc2_(weights / "layout" / "mlp" / "fc2", 2 * p.layout_hidden, p.layout_hidden, Bias::kYes, Init::kZeros),
      layout_fc2_(weights / "layout" / "fc2", p.layout_hidden, positions_.size(0) * p.layout_dim),
      layout_out_(weights / "layout" / "out", p.layout_dim, p.embed_dim),
      final_modulation_(weights / "final" / "modulation", p.embed_dim, 2 * p.embed_dim, Bias::kYes, Init::kZeros),
      final_proj_(weights / "final" / "proj", p.embed_dim, p.in_channels * p.patch_size * p.patch_size, Bias::kYes, Init::kZeros) {
  if (p.context_dim > 0) {
    pooled_proj_.emplace(weights / "pooled_proj", p.context_dim, p.embed_dim);
    null_token_ = weights.Take("null_token", {1, 1, p.context_dim}, Init::kNormal02);
  }
  if (p.recall_size > 0) recall_.emplace(weights / "recall", p);
  positions_ = positions_.to(patch_embed_.options());
  for (int64_t i = 0; i < p.depth; ++i) {
    blocks_.emplace_back(weights / "blocks" / i, p, /*has_cross_attention=*/p.context_dim > 0 && i % 2 == 0);
  }
}

at::Tensor EaselDiT::EmbedTime(const at::Tensor& time, at::ScalarType dtype) const {
  at::Tensor when = SinusoidalTime(time.to(at::kFloat) * kTimeScale, kTimeFrequencies).to(dtype);
  return time_fc2_(Silu(time_fc1_(when)));
}

at::Tensor EaselDiT::RecallScores(const at::Tensor& latent, const at::Tensor& time, const at::Tensor& label) const {
  return recall_->Scores(latent, EmbedTime(time, latent.scalar_type()), class_embed_.index_select(0, label));
}

at::Tensor EaselDiT::Forward(const at::Tensor& latent, const at::Tensor& time, const Conditioning& conditioning) const {
  const int64_t batch = latent.size(0);
  at::Tensor x = patch_embed_(Patchify(latent, params_.patch_size)) + positions_;  // (B, N, D)

  at::Tensor what = class_embed_.index_select(0, conditioning.label);  // (B, D): what to draw, whatever the time
  at::Tensor text, mask;
  at::Tensor when = EmbedTime(time, latent.scalar_type());  // (B, D)
  if (pooled_proj_) {
    at::Tensor pooled = conditioning.pooled;
    if (recall_) {
      at::Tensor recalled = recall_->value(at::softmax(recall_->Scores(latent, when, what), 1).to(pooled.dtype()));
      pooled = at::where(conditioning.text_mask.any(1, /*keepdim=*/true), pooled, recalled);
    }
    what = what + (*pooled_proj_)(pooled);
    text = at::cat({null_token_.expand({batch, 1, params_.context_dim}).to(conditioning.text.dtype()), conditioning.text}, 1);
    mask = at::constant_pad_nd(conditioning.text_mask, {1, 0}, true).unsqueeze(1).unsqueeze(1);  // (B, 1, 1, 1 + L)
  }

  at::Tensor whole = at::cat({latent.flatten(1), when}, 1);            // (B, C·H·W + D)
  at::Tensor rough = Silu(layout_fc1_(what) + layout_latent_(whole));  // (B, layout_hidden)
  rough = rough + layout_mlp_fc2_(Silu(layout_mlp_fc1_(rough)));
  at::Tensor layout = layout_fc2_(rough).reshape({batch, x.size(1), params_.layout_dim});
  x = x + layout_out_(layout);

  at::Tensor condition = Silu(when + what);  // (B, D)
  for (const Block& block : blocks_) x = block(x, condition, text, mask);

  std::vector<at::Tensor> m = final_modulation_(condition).chunk(2, 1);
  return Unpatchify(final_proj_(ModulatedNorm(x, m[0], m[1], kNormEps)), params_.patch_size, params_.img_size, params_.img_size);
}

}  // namespace easel

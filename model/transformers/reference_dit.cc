#include "model/transformers/reference_dit.h"

#include <ATen/ATen.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/nn/activation.h"
#include "model/nn/embedding.h"
#include "model/nn/layers.h"

namespace easel {
namespace {

constexpr double kEps = 1e-5;

// What a config can make us allocate is bounded, far above the book's networks.
constexpr int64_t kMaxSize = 4096;
constexpr int64_t kMaxDim = 16384;
constexpr int64_t kMaxDepth = 256;
constexpr int64_t kMaxClasses = 1000000;

// [sin(t·f), cos(t·f)], f from 1 down to 1 / 10000, both included.
at::Tensor TimeWaves(const at::Tensor& time, int64_t dim) {
  const int64_t half = dim / 2;
  const at::Tensor t = time.to(at::kFloat);
  const at::Tensor f = at::exp(at::arange(half, t.options()) * (-std::log(10000.0) / (half - 1)));
  const at::Tensor angles = t.unsqueeze(1) * f.unsqueeze(0);  // (B, dim/2)
  return at::cat({angles.sin(), angles.cos()}, -1);
}

struct AdaLN {
  AdaLN(const Weights& weights, int64_t dim, int64_t cond_dim) : proj(weights / "proj", cond_dim, 2 * dim) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& cond) const {
    const std::vector<at::Tensor> parts = proj(cond).unsqueeze(1).chunk(2, -1);  // scale, shift: (B, 1, D)
    return PlainLayerNorm(x, kEps) * (1 + parts[0]) + parts[1];
  }

  Linear proj;
};

// torch.nn.MultiheadAttention of x with itself; its checkpoint packs q, k and v.
struct SelfAttention {
  SelfAttention(const Weights& weights, int64_t dim, int64_t heads)
      : in_proj(weights.Take("in_proj_weight", {3 * dim, dim}, Init::kXavierUniform),
                weights.Take("in_proj_bias", {3 * dim}, Init::kZeros)),
        out_proj(weights / "out_proj", dim, dim),
        heads(heads) {}

  at::Tensor operator()(const at::Tensor& x) const {
    const std::vector<at::Tensor> qkv = in_proj(x).chunk(3, -1);
    return out_proj(MultiHeadAttention(qkv[0], qkv[1], qkv[2], heads));
  }

  Linear in_proj, out_proj;
  int64_t heads;
};

struct CrossAttention {
  CrossAttention(const Weights& weights, int64_t dim, int64_t context_dim, int64_t heads)
      : q_proj(weights / "q_proj", dim, dim),
        k_proj(weights / "k_proj", context_dim, dim),
        v_proj(weights / "v_proj", context_dim, dim),
        out_proj(weights / "out_proj", dim, dim),
        heads(heads) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& context, const at::Tensor& mask) const {
    return out_proj(MultiHeadAttention(q_proj(x), k_proj(context), v_proj(context), heads, mask));
  }

  Linear q_proj, k_proj, v_proj, out_proj;
  int64_t heads;
};

struct Mlp {
  Mlp(const Weights& weights, int64_t dim, int64_t hidden)
      : fc0(weights / 0, dim, hidden), fc3(weights / 3, hidden, dim) {}

  at::Tensor operator()(const at::Tensor& x) const { return fc3(Gelu(fc0(x), "none")); }

  Linear fc0, fc3;  // numbered as in the checkpoint, where activation and dropout count
};

// The two kinds of block differ in the cross-attention, and in what their checkpoint calls the rest.
struct Block {
  Block(const Weights& weights, const ReferenceDitParams& params)
      : norm1(weights / "norm1", params.embed_dim, 4 * params.embed_dim),
        self_attn(weights / (params.kind == ReferenceDitKind::kText ? "self_attn" : "attn"), params.embed_dim,
                  params.num_heads),
        norm_mlp(weights / (params.kind == ReferenceDitKind::kText ? "norm3" : "norm2"), params.embed_dim,
                 4 * params.embed_dim),
        mlp(weights / "mlp", params.embed_dim, static_cast<int64_t>(params.embed_dim * params.mlp_ratio)) {
    if (params.kind == ReferenceDitKind::kText) {
      norm_cross.emplace(weights / "norm2", params.embed_dim, 4 * params.embed_dim);
      cross_attn.emplace(weights / "cross_attn", params.embed_dim, params.context_dim, params.num_heads);
    }
  }

  at::Tensor operator()(at::Tensor x, const at::Tensor& cond, const at::Tensor& context,
                        const at::Tensor& mask) const {
    x = x + self_attn(norm1(x, cond));                                             // (B, N, D)
    if (cross_attn) x = x + (*cross_attn)((*norm_cross)(x, cond), context, mask);  // (B, N, D)
    return x + mlp(norm_mlp(x, cond));                                             // (B, N, D)
  }

  AdaLN norm1;
  SelfAttention self_attn;
  std::optional<AdaLN> norm_cross;
  std::optional<CrossAttention> cross_attn;
  AdaLN norm_mlp;
  Mlp mlp;
};

// A convolution whose stride is its kernel, as the linear map of each patch that it is: a convolution of few
// channels changes its low bits with the batch.
Linear PatchProjection(const Weights& weights, int64_t channels, int64_t dim, int64_t patch) {
  const at::Tensor kernel = weights.Take("weight", {dim, channels, patch, patch}, Init::kKaimingUniform);
  return Linear(kernel.flatten(1), weights.Take("bias", {dim}, Init::kZeros));
}

}  // namespace

struct ReferenceDit::Network {
  Network(const ReferenceDitParams& params, const Weights& weights)
      : patch_embed(PatchProjection(weights / "patch_embed" / "proj", params.in_channels, params.embed_dim,
                                    params.patch_size)),
        pos_embed((weights / "pos_embed")
                      .Take("pos_embed",
                            {(params.img_size / params.patch_size) * (params.img_size / params.patch_size),
                             params.embed_dim},
                            Init::kNormal02)),
        time_mlp0(weights / "time_embed" / "mlp" / 0, params.embed_dim, 4 * params.embed_dim),
        time_mlp2(weights / "time_embed" / "mlp" / 2, 4 * params.embed_dim, 4 * params.embed_dim),
        final_norm(weights / "final_norm", params.embed_dim, kEps),
        final_proj(weights / "final_proj", params.embed_dim,
                   params.patch_size * params.patch_size * params.in_channels, Bias::kYes, Init::kZeros) {
    if (params.kind == ReferenceDitKind::kClass) {
      class_embed = (weights / "class_embed" / "embed")
                        .Take("weight", {params.num_classes + 1, 4 * params.embed_dim}, Init::kNormal02);
    }
    if (params.kind == ReferenceDitKind::kText) {
      text_proj.emplace(weights / "text_proj", params.context_dim, params.context_dim);
    }
    for (int64_t i = 0; i < params.depth; ++i) blocks.emplace_back(weights / "blocks" / i, params);
  }

  Linear patch_embed;
  at::Tensor pos_embed;  // (N, D): kept in the checkpoint
  Linear time_mlp0, time_mlp2;
  at::Tensor class_embed;           // (num_classes + 1, 4D), kClass alone
  std::optional<Linear> text_proj;  // kText alone
  std::vector<Block> blocks;
  LayerNorm final_norm;
  Linear final_proj;
};

ReferenceDit::ReferenceDit(const ReferenceDitParams& params, const Weights& weights)
    : params_(params), network_(std::make_unique<Network>(params, weights)) {}

ReferenceDit::~ReferenceDit() = default;

at::Tensor ReferenceDit::Forward(const at::Tensor& latent, const at::Tensor& time,
                                 const Conditioning& conditioning) const {
  const Network& net = *network_;
  const int64_t size = params_.img_size;
  TORCH_CHECK(latent.size(2) == size && latent.size(3) == size, "the network takes latents of ", size, " x ",
              size);

  at::Tensor x = net.patch_embed(Patchify(latent, params_.patch_size)) + net.pos_embed;  // (B, N, D)
  const at::Tensor waves = TimeWaves(time, params_.embed_dim).to(latent.scalar_type());  // (B, D)
  at::Tensor cond = net.time_mlp2(Silu(net.time_mlp0(waves)));                       // (B, 4D)
  if (net.class_embed.defined()) cond = cond + at::embedding(net.class_embed, conditioning.label);  // (B, 4D)
  at::Tensor context, mask;
  if (net.text_proj) {
    context = (*net.text_proj)(conditioning.text);  // (B, L, C)
    if (conditioning.text_mask.defined())
      mask = conditioning.text_mask.unsqueeze(1).unsqueeze(1);  // (B, 1, 1, L)
  }
  for (const Block& block : net.blocks) x = block(x, cond, context, mask);
  x = net.final_proj(net.final_norm(x));                 // (B, N, p·p·C)
  return Unpatchify(x, params_.patch_size, size, size);  // (B, C, S, S)
}

absl::StatusOr<ReferenceDitParams> ReferenceDitParams::FromConfig(std::string_view class_name,
                                                                  JsonObject& config) {
  ReferenceDitParams params;
  if (class_name == "TextConditionalDiT") {
    params.kind = ReferenceDitKind::kText;
  } else if (class_name == "DiT" || class_name == "ConditionalDiT") {
    params.kind = class_name == "DiT" ? ReferenceDitKind::kUnconditional : ReferenceDitKind::kClass;
    params.img_size = 28;  // the book trains these two on MNIST
    params.in_channels = 1;
  } else {
    return absl::InvalidArgumentError(absl::StrCat(config.path(), ": class '", std::string(class_name),
                                                   "' is none of DiT, ConditionalDiT, TextConditionalDiT"));
  }
  auto read = [&config](const char* key, int64_t& value, int64_t max) {
    value = config.Int(key, value);
    if (value < 1 || value > max) config.Fail(key, absl::StrCat("is ", value, "; it must be 1 to ", max));
  };
  auto require_multiple = [&config](const char* key, int64_t value, int64_t divisor, const char* of) {
    if (config.status().ok() && value % divisor != 0) {
      config.Fail(key, absl::StrCat("is ", value, "; it must be a multiple of ", of, divisor));
    }
  };
  read("img_size", params.img_size, kMaxSize);
  read("patch_size", params.patch_size, kMaxSize);
  read("in_channels", params.in_channels, kMaxDim);
  read("embed_dim", params.embed_dim, kMaxDim);
  read("depth", params.depth, kMaxDepth);
  read("num_heads", params.num_heads, kMaxDim);
  require_multiple("img_size", params.img_size, params.patch_size, "patch_size, ");
  require_multiple("embed_dim", params.embed_dim, params.num_heads, "num_heads, ");
  require_multiple("embed_dim", params.embed_dim, 4, "");  // sines and cosines of two axes
  if (params.embed_dim < 8) config.Fail("embed_dim", "must be at least 8");
  params.mlp_ratio = config.Number("mlp_ratio", params.mlp_ratio);
  const double hidden = params.embed_dim * params.mlp_ratio;
  if (!(hidden >= 1 && hidden <= 16.0 * kMaxDim))
    config.Fail("mlp_ratio", "gives an MLP without width, or one too wide");
  if (params.kind == ReferenceDitKind::kClass) read("num_classes", params.num_classes, kMaxClasses);
  if (params.kind == ReferenceDitKind::kText) read("context_dim", params.context_dim, kMaxDim);
  if (!config.status().ok()) return config.status();
  return params;
}

}  // namespace easel

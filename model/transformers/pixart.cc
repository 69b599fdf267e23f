#include "model/transformers/pixart.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/nn/activation.h"
#include "model/nn/embedding.h"
#include "model/nn/layers.h"
#include "model/nn/modulation.h"

namespace easel {
namespace {

constexpr double kFinalNormEps = 1e-6;  // of the other norms it is in the config
constexpr int64_t kFrequencies = 256;
constexpr double kPadding = -10000;  // added to the scores of padding tokens

// adaln_single.emb: the time, and for some networks the size of the picture, to one vector.
struct Embedder {
  Embedder(const Weights& weights, const PixArtParams& p)
      : timestep_embedder(weights / "timestep_embedder", kFrequencies, p.dim()) {
    if (p.use_additional_conditions) {
      resolution_embedder.emplace(weights / "resolution_embedder", kFrequencies, p.dim() / 3);
      aspect_ratio_embedder.emplace(weights / "aspect_ratio_embedder", kFrequencies, p.dim() / 3);
    }
  }

  // `height`, `width` in pixels; the computation's dtype is `type`.
  at::Tensor operator()(const at::Tensor& time, int64_t height, int64_t width, c10::ScalarType type) const {
    at::Tensor condition = timestep_embedder(SinusoidalTime(time, kFrequencies).to(type));  // (B, D)
    if (!resolution_embedder) return condition;
    // Sines of a number that went through `type`, as the reference's do: bfloat16 holds few ratios.
    auto waves = [&](double number) {
      const at::Tensor rounded = at::full({1}, number, time.options().dtype(type));
      return SinusoidalTime(rounded, kFrequencies).to(type);  // (1, 256)
    };
    const at::Tensor of_height = (*resolution_embedder)(waves(height));  // (1, D/3)
    const at::Tensor of_width = (*resolution_embedder)(waves(width));    // (1, D/3)
    const at::Tensor of_ratio =
        (*aspect_ratio_embedder)(waves(static_cast<double>(height) / width));  // (1, D/3)
    return condition + at::cat({of_height, of_width, of_ratio}, 1);            // (B, D)
  }

  Transformer2DEmbedder timestep_embedder;
  std::optional<Transformer2DEmbedder> resolution_embedder, aspect_ratio_embedder;
};

struct Block {
  Block(const Weights& weights, const PixArtParams& p)
      : scale_shift_table(weights.Take("scale_shift_table", {6, p.dim()}, Init::kNormal02)),
        attn1(weights / "attn1", p),
        attn2(weights / "attn2", p),
        ff(weights / "ff", p),
        norm_eps(p.norm_eps) {}

  at::Tensor operator()(at::Tensor x, const at::Tensor& modulation, const at::Tensor& text,
                        const at::Tensor& mask) const {
    // (B, D) each: shift, scale and gate of the self-attention, then of the MLP.
    const std::vector<at::Tensor> m = (scale_shift_table + modulation).unbind(1);
    const at::Tensor y = ModulatedNorm(x, m[0], m[1], norm_eps);  // (B, N, D)
    x = GatedAdd(x, m[2], attn1(y, y));                           // (B, N, D)
    x = x + attn2(x, text, mask);                                 // (B, N, D): neither normed nor gated
    return GatedAdd(x, m[5], ff(ModulatedNorm(x, m[3], m[4], norm_eps)));  // (B, N, D)
  }

  at::Tensor scale_shift_table;  // (6, D)
  Transformer2DAttention attn1, attn2;
  Transformer2DFeedForward ff;
  double norm_eps;
};

}  // namespace

absl::StatusOr<PixArtParams> PixArtParams::FromConfig(JsonObject& config) {
  PixArtParams p;
  static_cast<Transformer2DParams&>(p) = ReadTransformer2DParams(config, "ada_norm_single", p);
  if (!config.status().ok()) return config.status();
  auto check = [&config](bool ok, std::string_view key, const std::string& want) {
    if (!ok && config.status().ok()) config.Fail(key, want);
  };
  check(!IsNull(config, "cross_attention_dim"), "cross_attention_dim",
        "null, a network without text, is not served");
  const int64_t cross_attention_dim = config.Int("cross_attention_dim", 1152);
  check(cross_attention_dim == p.dim(), "cross_attention_dim",
        absl::StrCat("is ", cross_attention_dim, "; it must be num_attention_heads · attention_head_dim, ",
                     p.dim()));
  check(config.Has("caption_channels"), "caption_channels",
        "is missing; a network without caption_projection is not served");
  p.caption_channels = config.Int("caption_channels", p.caption_channels);
  check(p.caption_channels >= 1 && p.caption_channels <= 65536, "caption_channels", "must be 1 to 65536");
  p.interpolation_scale =
      config.Number("interpolation_scale", static_cast<double>(std::max<int64_t>(p.sample_size / 64, 1)));
  check(p.interpolation_scale > 0 && p.interpolation_scale <= 1e6, "interpolation_scale", "must be positive");
  p.use_additional_conditions = config.Bool("use_additional_conditions", p.sample_size == 128);
  check(!p.use_additional_conditions || p.dim() % 3 == 0, "use_additional_conditions",
        absl::StrCat("needs a network whose width, ", p.dim(), ", is a multiple of 3"));
  const std::string attention_type = config.String("attention_type", "default");
  check(attention_type == "default", "attention_type",
        absl::StrCat("\"", attention_type, "\" is not served; known: default"));
  if (!config.status().ok()) return config.status();
  return p;
}

struct PixArt::Network {
  Network(const PixArtParams& p, const Weights& weights)
      : pos_embed(weights / "pos_embed", p, p.interpolation_scale),
        emb(weights / "adaln_single" / "emb", p),
        modulation(weights / "adaln_single" / "linear", p.dim(), 6 * p.dim()),
        caption_linear_1(weights / "caption_projection" / "linear_1", p.caption_channels, p.dim()),
        caption_linear_2(weights / "caption_projection" / "linear_2", p.dim(), p.dim()),
        scale_shift_table(weights.Take("scale_shift_table", {2, p.dim()}, Init::kNormal02)),
        proj_out(weights / "proj_out", p.dim(), p.patch_size * p.patch_size * p.out_channels) {
    for (int64_t i = 0; i < p.num_layers; ++i)
      transformer_blocks.emplace_back(weights / "transformer_blocks" / i, p);
  }

  Transformer2DPatches pos_embed;
  Embedder emb;
  Linear modulation;  // condition → shift, scale and gate, to which each block adds its own
  Linear caption_linear_1, caption_linear_2;
  std::vector<Block> transformer_blocks;
  at::Tensor scale_shift_table;  // (2, D)
  Linear proj_out;
};

PixArt::PixArt(const PixArtParams& params, const Weights& weights)
    : params_(params), network_(std::make_unique<Network>(params, weights)) {}

PixArt::~PixArt() = default;

at::Tensor PixArt::Forward(const at::Tensor& latent, const at::Tensor& time,
                           const Conditioning& conditioning) const {
  const Network& net = *network_;
  const int64_t height = latent.size(2), width = latent.size(3), scale = params_.pixels_per_latent;
  const c10::ScalarType type = latent.scalar_type();

  const at::Tensor condition = net.emb(time, height * scale, width * scale, type);  // (B, D)
  const at::Tensor modulation =
      net.modulation(Silu(condition)).reshape({latent.size(0), 6, -1});  // (B, 6, D)
  const at::Tensor text =
      net.caption_linear_2(Gelu(net.caption_linear_1(conditioning.text), "tanh"));  // (B, L, D)
  at::Tensor mask;
  if (conditioning.text_mask.defined()) {
    mask = ((1 - conditioning.text_mask.to(type)) * kPadding).unsqueeze(1).unsqueeze(1);  // (B, 1, 1, L)
  }

  at::Tensor x = net.pos_embed(latent);                                                    // (B, N, D)
  for (const Block& block : net.transformer_blocks) x = block(x, modulation, text, mask);  // (B, N, D)

  const std::vector<at::Tensor> m =
      (net.scale_shift_table + condition.unsqueeze(1)).unbind(1);  // (B, D) each
  x = net.proj_out(ModulatedNorm(x, m[0], m[1], kFinalNormEps));   // (B, N, p·p·out_channels)
  return Transformer2DOutput(x, params_, height, width);           // (B, C, H, W)
}

}  // namespace easel

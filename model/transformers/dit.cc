#include "model/transformers/dit.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/nn/activation.h"
#include "model/nn/layers.h"
#include "model/nn/modulation.h"

namespace easel {
namespace {

constexpr double kNormEps = 1e-6;  // of all norms but the MLP's, whose is in the config
constexpr int64_t kTimeFrequencies = 256;

// (B, 256) float32: [cos(t·f), sin(t·f)], f from 1 down to 1 / 10000, both included (downscale_freq_shift 1).
at::Tensor TimeWaves(const at::Tensor& time) {
  const int64_t half = kTimeFrequencies / 2;
  const at::Tensor t = time.to(at::kFloat);
  const at::Tensor f = at::exp(at::arange(half, t.options()) * -std::log(10000.0) / (half - 1));
  const at::Tensor angles = t.unsqueeze(1) * f;  // (B, 128)
  return at::cat({angles.cos(), angles.sin()}, 1);
}

// norm1.emb: time and class to one vector.
struct Embedder {
  Embedder(const Weights& weights, const DiTParams& p)
      : timestep_embedder(weights / "timestep_embedder", kTimeFrequencies, p.dim()),
        class_embedding((weights / "class_embedder" / "embedding_table")
                            .Take("weight", {p.num_embeds_ada_norm + 1, p.dim()}, Init::kNormal02)) {}

  at::Tensor operator()(const at::Tensor& waves, const at::Tensor& label) const {
    return timestep_embedder(waves) + at::embedding(class_embedding, label);  // (B, D)
  }

  Transformer2DEmbedder timestep_embedder;
  at::Tensor class_embedding;  // (num_embeds_ada_norm + 1, D)
};

struct Block {
  Block(const Weights& weights, const DiTParams& p)
      : emb(weights / "norm1" / "emb", p),
        modulation(weights / "norm1" / "linear", p.dim(), 6 * p.dim()),
        attn1(weights / "attn1", p),
        ff(weights / "ff", p),
        ff_norm_eps(p.norm_eps) {}

  at::Tensor operator()(at::Tensor x, const at::Tensor& waves, const at::Tensor& label) const {
    // (B, D) each: shift, scale and gate of the attention, then of the MLP.
    const std::vector<at::Tensor> m = modulation(Silu(emb(waves, label))).chunk(6, -1);
    const at::Tensor y = ModulatedNorm(x, m[0], m[1], kNormEps);              // (B, N, D)
    x = GatedAdd(x, m[2], attn1(y, y));                                       // (B, N, D)
    return GatedAdd(x, m[5], ff(ModulatedNorm(x, m[3], m[4], ff_norm_eps)));  // (B, N, D)
  }

  Embedder emb;
  Linear modulation;
  Transformer2DAttention attn1;
  Transformer2DFeedForward ff;
  double ff_norm_eps;
};

}  // namespace

absl::StatusOr<DiTParams> DiTParams::FromConfig(JsonObject& config) {
  DiTParams p;
  p.out_channels = config.Int("in_channels", p.in_channels);  // where the config does not say
  static_cast<Transformer2DParams&>(p) = ReadTransformer2DParams(config, "ada_norm_zero", p);
  p.num_embeds_ada_norm = config.Int("num_embeds_ada_norm", p.num_embeds_ada_norm);
  if (config.status().ok() && (p.num_embeds_ada_norm < 1 || p.num_embeds_ada_norm > 1000000)) {
    config.Fail("num_embeds_ada_norm",
                absl::StrCat("is ", p.num_embeds_ada_norm, "; it must be 1 to 1000000"));
  }
  if (!config.status().ok()) return config.status();
  return p;
}

struct DiT::Network {
  Network(const DiTParams& p, const Weights& weights)
      : pos_embed(weights / "pos_embed", p, /*interpolation_scale=*/1),
        proj_out_1(weights / "proj_out_1", p.dim(), 2 * p.dim()),
        proj_out_2(weights / "proj_out_2", p.dim(), p.patch_size * p.patch_size * p.out_channels) {
    for (int64_t i = 0; i < p.num_layers; ++i)
      transformer_blocks.emplace_back(weights / "transformer_blocks" / i, p);
  }

  Transformer2DPatches pos_embed;
  std::vector<Block> transformer_blocks;
  Linear proj_out_1;  // condition → shift and scale of the last norm
  Linear proj_out_2;
};

DiT::DiT(const DiTParams& params, const Weights& weights)
    : params_(params), network_(std::make_unique<Network>(params, weights)) {}

DiT::~DiT() = default;

at::Tensor DiT::Forward(const at::Tensor& latent, const at::Tensor& time,
                        const Conditioning& conditioning) const {
  const Network& net = *network_;
  const at::Tensor waves = TimeWaves(time).to(latent.scalar_type());  // (B, 256)
  const at::Tensor& label = conditioning.label;                       // (B)

  at::Tensor x = net.pos_embed(latent);                                          // (B, N, D)
  for (const Block& block : net.transformer_blocks) x = block(x, waves, label);  // (B, N, D)

  // The last norm has no embedder of its own: it shares the first block's.
  const at::Tensor condition = Silu(net.transformer_blocks[0].emb(waves, label));  // (B, D)
  const std::vector<at::Tensor> m = net.proj_out_1(condition).chunk(2, -1);        // (B, D) each
  x = net.proj_out_2(ModulatedNorm(x, m[0], m[1], kNormEps));              // (B, N, p·p·out_channels)
  return Transformer2DOutput(x, params_, latent.size(2), latent.size(3));  // (B, C, H, W)
}

}  // namespace easel

#include "model/transformers/mmdit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "model/nn/activation.h"
#include "model/nn/embedding.h"

namespace easel {
namespace {

// What a config can make us allocate is bounded, far above the published networks.
constexpr int64_t kMaxDim = 65536;
constexpr int64_t kMaxLayers = 1000;
constexpr int64_t kMaxSide = 4096;
constexpr int64_t kMaxPositions = 1024;  // along a side

// pos_embed: a linear map of each patch, and positions from the checkpoint.
struct Patches {
  Patches(const Weights& weights, const MMDiTParams& p)
      : proj((weights / "proj")
                 .Take("weight", {p.dim(), p.in_channels, p.patch_size, p.patch_size}, Init::kXavierUniform)
                 .flatten(1),
             (weights / "proj").Take("bias", {p.dim()}, Init::kZeros)),
        pos_embed(
            weights
                .Take("pos_embed", {1, p.pos_embed_max_size * p.pos_embed_max_size, p.dim()}, Init::kNormal02)
                .reshape({p.pos_embed_max_size, p.pos_embed_max_size, p.dim()})),
        patch_size(p.patch_size) {}

  // (B, C, H, W) → (B, N, D)
  at::Tensor operator()(const at::Tensor& latent) const {
    return proj(Patchify(latent, patch_size)) +
           Positions(latent.size(2) / patch_size, latent.size(3) / patch_size);
  }

  // The middle h × w of the checkpoint's, of an odd rest the smaller half above and to the left. (N, D)
  at::Tensor Positions(int64_t h, int64_t w) const {
    const int64_t top = (pos_embed.size(0) - h) / 2, left = (pos_embed.size(1) - w) / 2;
    return pos_embed.narrow(0, top, h).narrow(1, left, w).reshape({h * w, -1});
  }

  Linear proj;
  at::Tensor pos_embed;  // (pos_embed_max_size, pos_embed_max_size, D)
  int64_t patch_size;
};

}  // namespace

absl::StatusOr<MMDiTParams> MMDiTParams::FromConfig(JsonObject& config) {
  MMDiTParams p;
  auto check = [&config](bool ok, std::string_view key, const std::string& what) {
    if (!ok && config.status().ok()) config.Fail(key, what);
  };
  auto read = [&](std::string_view key, int64_t& value, int64_t max) {
    value = config.Int(key, value);
    check(value >= 1 && value <= max, key, absl::StrCat("is ", value, "; it must be 1 to ", max));
  };
  read("sample_size", p.sample_size, kMaxSide);
  read("patch_size", p.patch_size, 64);
  read("in_channels", p.in_channels, 256);
  read("num_layers", p.num_layers, kMaxLayers);
  read("attention_head_dim", p.attention_head_dim, 1024);
  read("num_attention_heads", p.num_attention_heads, 1024);
  read("joint_attention_dim", p.joint_attention_dim, kMaxDim);
  read("pooled_projection_dim", p.pooled_projection_dim, kMaxDim);
  read("pos_embed_max_size", p.pos_embed_max_size, kMaxPositions);
  if (!config.status().ok()) return config.status();
  check(p.dim() <= kMaxDim, "attention_head_dim",
        absl::StrCat("makes the network ", p.dim(), " wide; it must be at most ", kMaxDim));

  auto is_null = [&config](std::string_view key) {
    const std::vector<std::string> keys = config.keys();
    return !config.Has(key) && std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  check(!is_null("pos_embed_max_size"), "pos_embed_max_size",
        "null is not served: positions must be in the checkpoint");
  const int64_t out_channels = config.Int("out_channels", is_null("out_channels") ? p.in_channels : 16);
  check(out_channels == p.in_channels, "out_channels",
        absl::StrCat("is ", out_channels, "; it must be in_channels, ", p.in_channels));
  const int64_t caption_projection_dim = config.Int("caption_projection_dim", 1152);
  check(caption_projection_dim == p.dim(), "caption_projection_dim",
        absl::StrCat("is ", caption_projection_dim, "; it must be num_attention_heads · attention_head_dim, ",
                     p.dim()));
  p.dual_attention_layers = config.Ints("dual_attention_layers", std::vector<int64_t>());
  if (config.Has("qk_norm")) {
    const std::string qk_norm = config.String("qk_norm");
    check(qk_norm == "rms_norm", "qk_norm",
          absl::StrCat("\"", qk_norm, "\" is not served; known: null, rms_norm"));
    p.qk_norm = QkNorm::kRms;
  }
  if (!config.status().ok()) return config.status();
  return p;
}

struct MMDiT::Network {
  Network(const MMDiTParams& p, const Weights& weights)
      : pos_embed(weights / "pos_embed", p),
        time_text_embed(weights / "time_text_embed", p.pooled_projection_dim, p.dim(),
                        /*has_guidance=*/false),
        context_embedder(weights / "context_embedder", p.joint_attention_dim, p.dim()),
        norm_out(weights / "norm_out", p.dim()),
        proj_out(weights / "proj_out", p.dim(), p.patch_size * p.patch_size * p.in_channels) {
    const std::vector<int64_t>& dual = p.dual_attention_layers;
    for (int64_t i = 0; i < p.num_layers; ++i) {
      transformer_blocks.emplace_back(
          weights / "transformer_blocks" / i,
          JointBlock::Options{.heads = p.num_attention_heads,
                              .head_dim = p.attention_head_dim,
                              .qk_norm = p.qk_norm,
                              .dual_attention = std::find(dual.begin(), dual.end(), i) != dual.end(),
                              .text_is_done = i == p.num_layers - 1});
    }
  }

  Patches pos_embed;
  TimeTextEmbed time_text_embed;
  Linear context_embedder;
  std::vector<JointBlock> transformer_blocks;
  AdaptiveNorm norm_out;
  Linear proj_out;
};

MMDiT::MMDiT(const MMDiTParams& params, const Weights& weights)
    : params_(params), network_(std::make_unique<Network>(params, weights)) {}

MMDiT::~MMDiT() = default;

at::Tensor MMDiT::Forward(const at::Tensor& latent, const at::Tensor& time,
                          const Conditioning& conditioning) const {
  const Network& net = *network_;
  const int64_t height = latent.size(2), width = latent.size(3), patch = params_.patch_size;
  TORCH_CHECK(height % patch == 0 && width % patch == 0,
              "the network takes latents whose sides are multiples of ", patch, ", not ", height, " x ",
              width);
  TORCH_CHECK(std::max(height, width) <= patch * params_.pos_embed_max_size,
              "the network takes latents of at most ", patch * params_.pos_embed_max_size, " a side, not ",
              height, " x ", width);

  TokenStreams x;
  x.image = net.pos_embed(latent.to(net.proj_out.options()));  // (B, N, D)
  x.text = net.context_embedder(conditioning.text);            // (B, L, D)
  const at::Tensor condition =
      Silu(net.time_text_embed(time, /*guidance=*/{}, conditioning.pooled));  // (B, D)
  for (const JointBlock& block : net.transformer_blocks) x = block(x, condition, /*rotary=*/nullptr);

  const at::Tensor patches = net.proj_out(net.norm_out(x.image, condition));  // (B, N, p·p·C)
  return Unpatchify(patches, patch, height, width);                           // (B, C, H, W)
}

}  // namespace easel

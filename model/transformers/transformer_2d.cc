#include "model/transformers/transformer_2d.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/nn/activation.h"
#include "model/nn/embedding.h"
#include "model/nn/spanned_grid.h"

namespace easel {
namespace {

// What a config can make us allocate is bounded, far above the published networks.
constexpr int64_t kMaxDim = 65536;

// A convolution whose stride is its kernel, as the linear map of each patch that it is: a convolution of few
// channels changes its low bits with the batch.
Linear PatchProjection(const Weights& weights, int64_t channels, int64_t dim, int64_t patch) {
  const at::Tensor kernel = weights.Take("weight", {dim, channels, patch, patch}, Init::kKaimingUniform);
  return Linear(kernel.flatten(1), weights.Take("bias", {dim}, Init::kZeros));
}

}  // namespace

Transformer2DParams ReadTransformer2DParams(JsonObject& config, std::string_view norm_type,
                                            const Transformer2DParams& defaults) {
  Transformer2DParams p = defaults;
  auto check = [&config](bool ok, std::string_view key, std::string_view want) {
    if (!ok && config.status().ok()) config.Fail(key, std::string(want));
  };
  auto read = [&](std::string_view key, int64_t& value, int64_t max) {
    value = config.Int(key, value);
    check(value >= 1 && value <= max, key, absl::StrCat("is ", value, "; it must be 1 to ", max));
  };
  read("num_attention_heads", p.num_attention_heads, 1024);
  read("attention_head_dim", p.attention_head_dim, 1024);
  read("in_channels", p.in_channels, 256);
  read("num_layers", p.num_layers, 1000);
  read("patch_size", p.patch_size, 64);
  read("sample_size", p.sample_size, 4096);
  if (!config.status().ok()) return p;
  check(p.dim() % 4 == 0 && p.dim() <= kMaxDim, "attention_head_dim",
        absl::StrCat("makes the network ", p.dim(), " wide; it must be a multiple of 4, at most ", kMaxDim));
  check(p.sample_size % p.patch_size == 0, "sample_size", "must be a multiple of patch_size");
  p.out_channels =
      config.Int("out_channels", IsNull(config, "out_channels") ? p.in_channels : defaults.out_channels);
  check(p.out_channels == p.in_channels || p.out_channels == 2 * p.in_channels, "out_channels",
        absl::StrCat("is ", p.out_channels, "; it must be in_channels, ", p.in_channels, ", or twice that"));
  p.activation_fn = config.String("activation_fn", p.activation_fn);
  check(p.activation_fn == "gelu-approximate" || p.activation_fn == "gelu", "activation_fn",
        absl::StrCat("\"", p.activation_fn, "\" is not served; known: gelu-approximate, gelu"));
  p.norm_eps = config.Number("norm_eps", p.norm_eps);
  check(p.norm_eps > 0 && p.norm_eps <= 1, "norm_eps", "must be more than 0 and at most 1");
  const std::string type = config.String("norm_type", std::string(norm_type));
  check(type == norm_type, "norm_type",
        absl::StrCat("\"", type, "\" is not served here; it must be ", std::string(norm_type)));
  check(config.Bool("attention_bias", true), "attention_bias", "false is not served");
  check(!config.Bool("norm_elementwise_affine", false), "norm_elementwise_affine", "true is not served");
  return p;
}

bool IsNull(const JsonObject& config, std::string_view key) {
  const std::vector<std::string> keys = config.keys();
  return !config.Has(key) && std::find(keys.begin(), keys.end(), key) != keys.end();
}

Transformer2DPatches::Transformer2DPatches(const Weights& weights, const Transformer2DParams& p,
                                           double interpolation_scale)
    : proj(PatchProjection(weights / "proj", p.in_channels, p.dim(), p.patch_size)),
      dim(p.dim()),
      patch_size(p.patch_size),
      base_size(p.sample_size / p.patch_size),
      interpolation_scale(interpolation_scale) {}

at::Tensor Transformer2DPatches::operator()(const at::Tensor& latent) const {
  const int64_t height = latent.size(2), width = latent.size(3);
  TORCH_CHECK(height % patch_size == 0 && width % patch_size == 0,
              "the network takes latents whose sides are multiples of ", patch_size, ", not ", height, " x ",
              width);
  const at::Tensor positions = SpannedSinusoidalGrid(height / patch_size, width / patch_size, dim, base_size,
                                                     interpolation_scale, latent.device());  // (N, D) float32
  return (proj(Patchify(latent, patch_size)) + positions).to(latent.scalar_type());          // (B, N, D)
}

at::Tensor Transformer2DOutput(const at::Tensor& x, const Transformer2DParams& p, int64_t height,
                               int64_t width) {
  return Unpatchify(x, p.patch_size, height, width).narrow(1, 0, p.in_channels);
}

Transformer2DEmbedder::Transformer2DEmbedder(const Weights& weights, int64_t in, int64_t out)
    : linear_1(weights / "linear_1", in, out), linear_2(weights / "linear_2", out, out) {}

at::Tensor Transformer2DEmbedder::operator()(const at::Tensor& x) const {
  return linear_2(Silu(linear_1(x)));
}

Transformer2DAttention::Transformer2DAttention(const Weights& weights, const Transformer2DParams& p)
    : to_q(weights / "to_q", p.dim(), p.dim()),
      to_k(weights / "to_k", p.dim(), p.dim()),
      to_v(weights / "to_v", p.dim(), p.dim()),
      to_out(weights / "to_out" / 0, p.dim(), p.dim()),
      heads(p.num_attention_heads) {}

at::Tensor Transformer2DAttention::operator()(const at::Tensor& x, const at::Tensor& context,
                                              const at::Tensor& mask) const {
  return to_out(MultiHeadAttention(to_q(x), to_k(context), to_v(context), heads, mask));
}

Transformer2DFeedForward::Transformer2DFeedForward(const Weights& weights, const Transformer2DParams& p)
    : net_0_proj(weights / "net" / 0 / "proj", p.dim(), 4 * p.dim()),
      net_2(weights / "net" / 2, 4 * p.dim(), p.dim()),
      approximate(p.activation_fn == "gelu" ? "none" : "tanh") {}

at::Tensor Transformer2DFeedForward::operator()(const at::Tensor& x) const {
  return net_2(Gelu(net_0_proj(x), approximate));
}

}  // namespace easel

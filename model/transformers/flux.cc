#include "model/transformers/flux.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/nn/activation.h"
#include "model/nn/embedding.h"
#include "model/nn/modulation.h"
#include "model/nn/rotary.h"
#include "model/transformers/joint_blocks.h"

namespace easel {
namespace {

constexpr int64_t kPatch = 2;
constexpr double kScale = 1000;  // time and guidance, to the range that the sines' frequencies are made for
constexpr double kTheta = 10000;

// What a config can make us allocate is bounded, far above the published networks.
constexpr int64_t kMaxDim = 65536;
constexpr int64_t kMaxLayers = 1000;

// In float16 the reference keeps what a block adds up to finite.
at::Tensor Finite(const at::Tensor& x) { return x.scalar_type() == at::kHalf ? x.clamp(-65504, 65504) : x; }

// (B, N, C·p·p) → (B, C, H, W): Patchify undone.
at::Tensor UndoPatchify(const at::Tensor& x, int64_t height, int64_t width) {
  const int64_t b = x.size(0), h = height / kPatch, w = width / kPatch;
  return x.reshape({b, h, w, -1, kPatch, kPatch}).permute({0, 3, 1, 4, 2, 5}).reshape({b, -1, height, width});
}

// pos_embed. The tables of the axes, of all positions that may be, are computed once; a forward puts its own
// together.
struct Positions {
  Positions(const std::vector<int64_t>& axes_dims, at::Device device)
      : still(AxisRotaryTable(1, axes_dims[0], kTheta)),
        rows(AxisRotaryTable(Flux::kMaxSide / kPatch, axes_dims[1], kTheta)),
        columns(AxisRotaryTable(Flux::kMaxSide / kPatch, axes_dims[2], kTheta)) {
    for (RotaryTable* table : {&still, &rows, &columns})
      *table = {table->cos.to(device), table->sin.to(device)};
  }

  // Of L tokens of text, then h · w of the image row by row.
  RotaryTable operator()(int64_t text, int64_t h, int64_t w) const {
    auto join = [&](at::Tensor RotaryTable::*part) {
      const at::Tensor origin =
          at::cat({still.*part, (rows.*part).narrow(0, 0, 1), (columns.*part).narrow(0, 0, 1)}, 1);
      const at::Tensor grid = at::cat({(still.*part).unsqueeze(1).expand({h, w, -1}),
                                       (rows.*part).narrow(0, 0, h).unsqueeze(1).expand({h, w, -1}),
                                       (columns.*part).narrow(0, 0, w).unsqueeze(0).expand({h, w, -1})},
                                      2);
      return at::cat({origin.expand({text, -1}), grid.flatten(0, 1)});  // (L + N, head dim / 2)
    };
    return {join(&RotaryTable::cos), join(&RotaryTable::sin)};
  }

  RotaryTable still;  // the axis along which nothing moves
  RotaryTable rows, columns;
};

// Text and image as one stream; attention and MLP side by side, behind one norm and one projection.
struct SingleBlock {
  SingleBlock(const Weights& weights, const FluxParams& p)
      : norm(weights / "norm" / "linear", p.dim(), 3 * p.dim()),
        attn(weights / "attn", HeadProjections::Names::kOwn, p.num_attention_heads, p.attention_head_dim,
             QkNorm::kRms),
        proj_mlp(weights / "proj_mlp", p.dim(), 4 * p.dim()),
        proj_out(weights / "proj_out", 5 * p.dim(), p.dim()) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& condition, const RotaryTable& rotary) const {
    const std::vector<at::Tensor> m = norm(condition).chunk(3, -1);    // (B, D): shift, scale, gate
    const at::Tensor y = ModulatedNorm(x, m[0], m[1], kJointNormEps);  // (B, L + N, D)
    const at::Tensor attended = Attend(attn(y), &rotary);              // (B, L + N, D)
    const at::Tensor mlp = Gelu(proj_mlp(y), "tanh");                  // (B, L + N, 4D)
    return GatedAdd(x, m[2], proj_out(at::cat({attended, mlp}, -1)));  // (B, L + N, D)
  }

  Linear norm;
  HeadProjections attn;
  Linear proj_mlp, proj_out;
};

}  // namespace

absl::StatusOr<FluxParams> FluxParams::FromConfig(JsonObject& config) {
  FluxParams p;
  auto check = [&config](bool ok, std::string_view key, const std::string& what) {
    if (!ok && config.status().ok()) config.Fail(key, what);
  };
  auto read = [&](std::string_view key, int64_t& value, int64_t min, int64_t max) {
    value = config.Int(key, value);
    check(value >= min && value <= max, key, absl::StrCat("is ", value, "; it must be ", min, " to ", max));
  };
  read("in_channels", p.in_channels, 4, 1024);
  read("num_layers", p.num_layers, 0, kMaxLayers);
  read("num_single_layers", p.num_single_layers, 0, kMaxLayers);
  read("attention_head_dim", p.attention_head_dim, 1, 1024);
  read("num_attention_heads", p.num_attention_heads, 1, 1024);
  read("joint_attention_dim", p.joint_attention_dim, 1, kMaxDim);
  read("pooled_projection_dim", p.pooled_projection_dim, 1, kMaxDim);
  p.guidance_embeds = config.Bool("guidance_embeds", p.guidance_embeds);
  p.axes_dims_rope = config.Ints("axes_dims_rope", p.axes_dims_rope);
  if (!config.status().ok()) return config.status();

  check(p.in_channels % (kPatch * kPatch) == 0, "in_channels",
        absl::StrCat("is ", p.in_channels, "; it must be a multiple of 4"));
  check(p.dim() <= kMaxDim, "attention_head_dim",
        absl::StrCat("makes the network ", p.dim(), " wide; it must be at most ", kMaxDim));
  const int64_t out_channels = config.Int("out_channels", p.in_channels);
  check(out_channels == p.in_channels, "out_channels",
        absl::StrCat("is ", out_channels, "; it must be in_channels, ", p.in_channels));
  const int64_t patch_size = config.Int("patch_size", 1);
  check(patch_size == 1, "patch_size", absl::StrCat("is ", patch_size, "; it must be 1"));
  const std::vector<int64_t>& axes = p.axes_dims_rope;
  const bool positive_and_even = std::all_of(axes.begin(), axes.end(), [&p](int64_t dim) {
    return dim > 0 && dim <= p.attention_head_dim && dim % 2 == 0;
  });
  check(axes.size() == 3 && positive_and_even &&
            std::accumulate(axes.begin(), axes.end(), int64_t{0}) == p.attention_head_dim,
        "axes_dims_rope",
        absl::StrCat("is [", absl::StrJoin(axes, ", "),
                     "]; it must be three positive even numbers that add up to attention_head_dim, ",
                     p.attention_head_dim));
  if (!config.status().ok()) return config.status();
  return p;
}

struct Flux::Network {
  Network(const FluxParams& p, const Weights& weights)
      : x_embedder(weights / "x_embedder", p.in_channels, p.dim()),
        context_embedder(weights / "context_embedder", p.joint_attention_dim, p.dim()),
        time_text_embed(weights / "time_text_embed", p.pooled_projection_dim, p.dim(), p.guidance_embeds),
        pos_embed(p.axes_dims_rope, x_embedder.options().device()),
        norm_out(weights / "norm_out", p.dim()),
        proj_out(weights / "proj_out", p.dim(), p.in_channels) {
    for (int64_t i = 0; i < p.num_layers; ++i) {
      transformer_blocks.emplace_back(
          weights / "transformer_blocks" / i,
          JointBlock::Options{
              .heads = p.num_attention_heads, .head_dim = p.attention_head_dim, .qk_norm = QkNorm::kRms});
    }
    for (int64_t i = 0; i < p.num_single_layers; ++i) {
      single_transformer_blocks.emplace_back(weights / "single_transformer_blocks" / i, p);
    }
  }

  Linear x_embedder, context_embedder;
  TimeTextEmbed time_text_embed;
  Positions pos_embed;
  std::vector<JointBlock> transformer_blocks;
  std::vector<SingleBlock> single_transformer_blocks;
  AdaptiveNorm norm_out;
  Linear proj_out;
};

Flux::Flux(const FluxParams& params, const Weights& weights)
    : params_(params), network_(std::make_unique<Network>(params, weights)) {}

Flux::~Flux() = default;

at::Tensor Flux::Forward(const at::Tensor& latent, const at::Tensor& time,
                         const Conditioning& conditioning) const {
  const Network& net = *network_;
  const at::ScalarType dtype = c10::typeMetaToScalarType(net.x_embedder.options().dtype());
  const int64_t height = latent.size(2), width = latent.size(3);
  TORCH_CHECK(height % kPatch == 0 && width % kPatch == 0 && std::max(height, width) <= kMaxSide,
              "the network takes latents with even sides of at most ", kMaxSide, ", not ", height, " x ",
              width);
  // Rounded to the dtype first, as the reference does.
  auto scaled = [dtype](const at::Tensor& t) { return t.to(dtype) * kScale; };

  TokenStreams x;
  x.image = net.x_embedder(Patchify(latent.to(dtype), kPatch));  // (B, N, D)
  x.text = net.context_embedder(conditioning.text);              // (B, L, D)
  const at::Tensor guidance = params_.guidance_embeds ? scaled(conditioning.guidance) : at::Tensor();
  const at::Tensor condition =
      Silu(net.time_text_embed(scaled(time), guidance, conditioning.pooled));                 // (B, D)
  const RotaryTable rotary = net.pos_embed(x.text.size(1), height / kPatch, width / kPatch);  // of L + N
  for (const JointBlock& block : net.transformer_blocks) {
    x = block(x, condition, &rotary);
    x.text = Finite(x.text);
  }
  at::Tensor joined = at::cat({x.text, x.image}, 1);  // (B, L + N, D)
  for (const SingleBlock& block : net.single_transformer_blocks)
    joined = Finite(block(joined, condition, rotary));

  const at::Tensor image = joined.narrow(1, x.text.size(1), x.image.size(1));  // (B, N, D)
  const at::Tensor patches = net.proj_out(net.norm_out(image, condition));     // (B, N, 4C)
  return UndoPatchify(patches, height, width);                                 // (B, C, H, W)
}

}  // namespace easel

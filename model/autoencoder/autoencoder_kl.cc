#include "model/autoencoder/autoencoder_kl.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "model/autoencoder/tiling.h"
#include "model/nn/layers.h"
#include "model/nn/packed_convolution.h"
#include "model/nn/spread.h"

namespace easel {
namespace {

constexpr double kEps = 1e-6;
constexpr int64_t kMaxChannels =
    8192;  // far above any published network: bounds what a config can make us allocate
constexpr int64_t kMaxLayers = 64;
constexpr int64_t kMaxLevels = 10;
constexpr int64_t kMaxSampleSize = 1 << 16;
constexpr int64_t kQueriesAtOnce = 256;

struct ResnetBlock {
  ResnetBlock(const Weights& weights, int64_t in, int64_t out, int64_t groups, Packing packing)
      : norm1(weights / "norm1", groups, in, kEps),
        conv1(weights / "conv1", in, out, packing),
        norm2(weights / "norm2", groups, out, kEps),
        conv2(weights / "conv2", out, out, packing) {
    if (in != out) conv_shortcut.emplace(weights / "conv_shortcut", in, out, packing);
  }

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor h = conv1(SiluOfNorm(norm1, x));
    return conv2(SiluOfNorm(norm2, h), /*add=*/conv_shortcut ? (*conv_shortcut)(x) : x);
  }

  GroupNorm norm1;
  Conv3x3 conv1;
  GroupNorm norm2;
  Conv3x3 conv2;
  std::optional<Conv1x1> conv_shortcut;
};

// Attention of one head, (B, L, C) each, in pieces (nn/spread.h).
at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (!q.device().is_cpu() || q.requires_grad()) return MultiHeadAttention(q, k, v, /*heads=*/1);
  std::vector<at::Tensor> pieces((q.size(1) + kQueriesAtOnce - 1) / kQueriesAtOnce);
  InPieces(q.size(1), kQueriesAtOnce, [&](int64_t begin, int64_t end) {
    pieces[begin / kQueriesAtOnce] = MultiHeadAttention(q.narrow(1, begin, end - begin), k, v, /*heads=*/1);
  });
  return at::cat(pieces, 1);
}

// Self-attention over the positions, one head. Checkpoints of diffusers before 0.18 spell the projections
// otherwise.
struct Attention {
  Attention(const Weights& weights, int64_t channels, int64_t groups)
      : Attention(weights, channels, groups, weights.Has("query.weight")) {}

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor h = group_norm(x).flatten(2).transpose(1, 2);  // (B, h·w, C)
    const at::Tensor out = to_out(Attend(to_q(h), to_k(h), to_v(h)));  // (B, h·w, C)
    return x + out.transpose(1, 2).reshape(x.sizes());
  }

  GroupNorm group_norm;
  Linear to_q, to_k, to_v, to_out;

 private:
  Attention(const Weights& weights, int64_t channels, int64_t groups, bool old_names)
      : group_norm(weights / "group_norm", groups, channels, kEps),
        to_q(weights / (old_names ? "query" : "to_q"), channels, channels),
        to_k(weights / (old_names ? "key" : "to_k"), channels, channels),
        to_v(weights / (old_names ? "value" : "to_v"), channels, channels),
        to_out(weights / (old_names ? "proj_attn" : "to_out.0"), channels, channels) {}
};

struct MidBlock {
  MidBlock(const Weights& weights, int64_t channels, int64_t groups, bool add_attention, Packing packing)
      : resnet0(weights / "resnets" / 0, channels, channels, groups, packing),
        resnet1(weights / "resnets" / 1, channels, channels, groups, packing) {
    if (add_attention) attention.emplace(weights / "attentions" / 0, channels, groups);
  }

  at::Tensor operator()(const at::Tensor& x) const {
    at::Tensor h = resnet0(x);
    if (attention) h = (*attention)(h);
    return resnet1(h);
  }

  ResnetBlock resnet0;
  std::optional<Attention> attention;
  ResnetBlock resnet1;
};

// One resolution: resnets, then the way to the next one.
struct Level {
  Level(const Weights& weights, int64_t in, int64_t out, int64_t layers, int64_t groups, Packing packing) {
    for (int64_t i = 0; i < layers; ++i)
      resnets.emplace_back(weights / "resnets" / i, i == 0 ? in : out, out, groups, packing);
  }

  std::vector<ResnetBlock> resnets;
  std::optional<Conv2d> downsample;  // neither at the last level
  std::optional<Conv3x3> upsample;
};

at::Tensor Downsample(const Conv2d& conv, const at::Tensor& x) {
  return conv(at::constant_pad_nd(x, {0, 1, 0, 1}));  // right and bottom only, as the networks were trained
}

}  // namespace

struct AutoencoderKL::Encoder {
  static constexpr Packing kPacking = Packing::kNo;  // nothing that is served encodes pictures
  Encoder(const AutoencoderKLParams& params, const Weights& weights, const Weights& quant_weights)
      : conv_in(weights / "conv_in", params.in_channels, params.block_out_channels.front(), 3, 1, 1),
        mid_block(weights / "mid_block", params.block_out_channels.back(), params.norm_num_groups,
                  params.mid_block_add_attention, kPacking),
        conv_norm_out(weights / "conv_norm_out", params.norm_num_groups, params.block_out_channels.back(),
                      kEps),
        conv_out(weights / "conv_out", params.block_out_channels.back(), 2 * params.latent_channels, 3, 1,
                 1) {
    int64_t channels = params.block_out_channels.front();
    const int64_t levels = params.block_out_channels.size();
    for (int64_t i = 0; i < levels; ++i) {
      const int64_t out = params.block_out_channels[i];
      const Weights block = weights / "down_blocks" / i;
      down_blocks.emplace_back(block, channels, out, params.layers_per_block, params.norm_num_groups,
                               kPacking);
      if (i + 1 < levels) {
        down_blocks.back().downsample.emplace(block / "downsamplers" / 0 / "conv", out, out, /*kernel=*/3,
                                              /*stride=*/2);
      }
      channels = out;
    }
    if (params.use_quant_conv) {
      quant_conv.emplace(quant_weights, 2 * params.latent_channels, 2 * params.latent_channels, /*kernel=*/1);
    }
  }

  at::Tensor operator()(const at::Tensor& pixels) const {
    at::Tensor h = conv_in(pixels);
    for (const Level& level : down_blocks) {
      for (const ResnetBlock& resnet : level.resnets) h = resnet(h);
      if (level.downsample) h = Downsample(*level.downsample, h);
    }
    h = mid_block(h);
    h = conv_out(SiluOfNorm(conv_norm_out, h));  // (B, 2C, h, w)
    return quant_conv ? (*quant_conv)(h) : h;
  }

  Conv2d conv_in;
  std::vector<Level> down_blocks;
  MidBlock mid_block;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
  std::optional<Conv2d> quant_conv;
};

struct AutoencoderKL::Decoder {
  static constexpr Packing kPacking = Packing::kYes;
  Decoder(const AutoencoderKLParams& params, const Weights& weights, const Weights& post_quant_weights)
      : conv_in(weights / "conv_in", params.latent_channels, params.block_out_channels.back(), 3, 1, 1),
        mid_block(weights / "mid_block", params.block_out_channels.back(), params.norm_num_groups,
                  params.mid_block_add_attention, kPacking),
        conv_norm_out(weights / "conv_norm_out", params.norm_num_groups, params.block_out_channels.front(),
                      kEps),
        conv_out(weights / "conv_out", params.block_out_channels.front(), params.out_channels, 3, 1, 1) {
    int64_t channels = params.block_out_channels.back();
    const int64_t levels = params.block_out_channels.size();
    for (int64_t i = 0; i < levels; ++i) {
      const int64_t out = params.block_out_channels[levels - 1 - i];
      const Weights block = weights / "up_blocks" / i;
      up_blocks.emplace_back(block, channels, out, params.layers_per_block + 1, params.norm_num_groups,
                             kPacking);
      if (i + 1 < levels) {
        up_blocks.back().upsample.emplace(block / "upsamplers" / 0 / "conv", out, out, kPacking);
      }
      channels = out;
    }
    if (params.use_post_quant_conv) {
      post_quant_conv.emplace(post_quant_weights, params.latent_channels, params.latent_channels,
                              /*kernel=*/1);
    }
  }

  at::Tensor operator()(const at::Tensor& latent) const {
    at::Tensor h = conv_in(post_quant_conv ? (*post_quant_conv)(latent) : latent);
    h = mid_block(h);
    for (const Level& level : up_blocks) {
      for (const ResnetBlock& resnet : level.resnets) h = resnet(h);
      if (level.upsample) h = level.upsample->OfDoubled(h);
    }
    return conv_out(SiluOfNorm(conv_norm_out, h));  // (B, 3, H, W)
  }

  std::optional<Conv2d> post_quant_conv;
  Conv2d conv_in;
  MidBlock mid_block;
  std::vector<Level> up_blocks;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

AutoencoderKL::AutoencoderKL(const AutoencoderKLParams& params, const Weights& weights)
    : params_(params),
      encoder_(std::make_unique<Encoder>(params, weights / "encoder", weights / "quant_conv")),
      decoder_(std::make_unique<Decoder>(params, weights / "decoder", weights / "post_quant_conv")) {}

AutoencoderKL::~AutoencoderKL() = default;

at::Tensor AutoencoderKL::Moments(const at::Tensor& pixels) const { return (*encoder_)(pixels); }

at::Tensor AutoencoderKL::TiledMoments(const at::Tensor& pixels) const {
  return InTiles(pixels, params_.sample_size, params_.sample_size / downscale(), std::cref(*encoder_));
}

at::Tensor AutoencoderKL::Encode(const at::Tensor& pixels) const {
  const bool whole = pixels.size(2) * pixels.size(3) <= params_.max_whole_pixels || !tiles_possible();
  const at::Tensor moments = whole ? Moments(pixels) : TiledMoments(pixels);
  const at::Tensor mean = moments.narrow(1, 0, params_.latent_channels);
  return (mean - params_.shift_factor) * params_.scaling_factor;
}

at::Tensor AutoencoderKL::Decode(const at::Tensor& latent) const {
  const int64_t pixels = latent.size(2) * latent.size(3) * downscale() * downscale();
  if (pixels > params_.max_whole_pixels && tiles_possible()) return TiledDecode(latent);
  return (*decoder_)(latent / params_.scaling_factor + params_.shift_factor);
}

at::Tensor AutoencoderKL::TiledDecode(const at::Tensor& latent) const {
  return InTiles(latent / params_.scaling_factor + params_.shift_factor, params_.sample_size / downscale(),
                 params_.sample_size, std::cref(*decoder_));
}

absl::StatusOr<AutoencoderKLParams> AutoencoderKLParams::FromConfig(JsonObject& config) {
  AutoencoderKLParams params;
  auto read = [&config](const char* key, int64_t& value, int64_t max) {
    value = config.Int(key, value);
    if (value < 1 || value > max) {
      config.Fail(key, "is " + std::to_string(value) + "; it must be 1 to " + std::to_string(max));
    }
  };
  read("in_channels", params.in_channels, kMaxChannels);
  read("out_channels", params.out_channels, kMaxChannels);
  read("layers_per_block", params.layers_per_block, kMaxLayers);
  read("latent_channels", params.latent_channels, kMaxChannels);
  read("norm_num_groups", params.norm_num_groups, kMaxChannels);
  read("sample_size", params.sample_size, kMaxSampleSize);
  if (params.in_channels != 3) config.Fail("in_channels", "must be 3: pictures are RGB");
  if (params.out_channels != 3) config.Fail("out_channels", "must be 3: pictures are RGB");

  params.block_out_channels = config.Ints("block_out_channels", params.block_out_channels);
  const size_t levels = params.block_out_channels.size();
  if (levels < 1 || levels > kMaxLevels) {
    config.Fail("block_out_channels", "must have 1 to " + std::to_string(kMaxLevels) + " entries");
  }
  for (int64_t channels : params.block_out_channels) {
    if (channels < 1 || channels > kMaxChannels ||
        channels % std::max<int64_t>(params.norm_num_groups, 1) != 0) {
      config.Fail("block_out_channels", "has " + std::to_string(channels) +
                                            "; each must be a multiple of norm_num_groups, " +
                                            std::to_string(params.norm_num_groups) + ", and at most " +
                                            std::to_string(kMaxChannels));
    }
  }
  for (const auto& [key, known] : {std::pair("down_block_types", "DownEncoderBlock2D"),
                                   std::pair("up_block_types", "UpDecoderBlock2D")}) {
    const std::vector<std::string> types = config.Strings(key, std::vector<std::string>{known});
    if (types.size() != levels) config.Fail(key, "must have as many entries as block_out_channels");
    for (const std::string& type : types) {
      if (type != known) config.Fail(key, "has '" + type + "'; only " + known + " is known");
    }
  }
  const std::string activation = config.String("act_fn", "silu");
  if (activation != "silu" && activation != "swish") {
    config.Fail("act_fn", "is '" + activation + "'; only silu is known");
  }
  for (const char* key : {"latents_mean", "latents_std"}) {
    if (config.Has(key)) config.Fail(key, "is not supported; only scaling_factor and shift_factor are");
  }

  params.scaling_factor = config.Number("scaling_factor", params.scaling_factor);
  if (!std::isfinite(params.scaling_factor) || params.scaling_factor == 0.0) {
    config.Fail("scaling_factor", "must be finite and not 0");
  }
  params.shift_factor = config.Number("shift_factor", params.shift_factor);
  if (!std::isfinite(params.shift_factor)) config.Fail("shift_factor", "must be finite");
  params.use_quant_conv = config.Bool("use_quant_conv", params.use_quant_conv);
  params.use_post_quant_conv = config.Bool("use_post_quant_conv", params.use_post_quant_conv);
  params.mid_block_add_attention = config.Bool("mid_block_add_attention", params.mid_block_add_attention);
  if (!config.status().ok()) return config.status();
  return params;
}

}  // namespace easel

#include "model/autoencoder/book_vae.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <string>

#include "model/nn/layers.h"

namespace easel {
namespace {

constexpr double kEps = 1e-5;
constexpr int64_t kGroups = 32;
constexpr int64_t kSmallGroups = 8;  // of SmallVAE's norms outside of its residual blocks
constexpr int64_t kHeads = 8;
constexpr int64_t kNominalResolution = 64;
constexpr int64_t kMaxChannels = 8192;  // far above the book's: bounds what a config can make us allocate
constexpr int64_t kMaxLayers = 64;
constexpr size_t kMaxLevels = 10;

Conv2d Conv3x3(const Weights& weights, int64_t in, int64_t out, int64_t stride = 1) {
  return Conv2d(weights, in, out, /*kernel=*/3, stride, /*padding=*/1);
}

at::Tensor Double(const at::Tensor& x) { return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}); }

struct ResidualBlock {
  ResidualBlock(const Weights& weights, int64_t in, int64_t out)
      : conv1(Conv3x3(weights / "conv1", in, out)),
        norm1(weights / "norm1", kGroups, out, kEps),
        conv2(Conv3x3(weights / "conv2", out, out)),
        norm2(weights / "norm2", kGroups, out, kEps) {
    if (in != out) shortcut.emplace(weights / "shortcut", in, out, /*kernel=*/1);
  }

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor h = norm2(conv2(at::silu(norm1(conv1(x)))));
    return at::silu(h + (shortcut ? (*shortcut)(x) : x));
  }

  Conv2d conv1;
  GroupNorm norm1;
  Conv2d conv2;
  GroupNorm norm2;
  std::optional<Conv2d> shortcut;
};

struct AttentionBlock {
  AttentionBlock(const Weights& weights, int64_t channels)
      : norm(weights / "norm", kGroups, channels, kEps),
        qkv(weights / "qkv", channels, 3 * channels, /*kernel=*/1),
        proj(weights / "proj", channels, channels, /*kernel=*/1) {}

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor h = qkv(norm(x)).flatten(2).transpose(1, 2);  // (B, h·w, 3C)
    const std::vector<at::Tensor> parts = h.chunk(3, -1);
    const at::Tensor out = MultiHeadAttention(parts[0], parts[1], parts[2], kHeads);  // (B, h·w, C)
    return x + proj(out.transpose(1, 2).reshape(x.sizes()));
  }

  GroupNorm norm;
  Conv2d qkv, proj;
};

struct MidBlock {
  // The three share their owner's prefix: mid_block1, mid_attn, mid_block2.
  MidBlock(const Weights& owner, int64_t channels)
      : mid_block1(owner / "mid_block1", channels, channels),
        mid_attn(owner / "mid_attn", channels),
        mid_block2(owner / "mid_block2", channels, channels) {}

  at::Tensor operator()(const at::Tensor& x) const { return mid_block2(mid_attn(mid_block1(x))); }

  ResidualBlock mid_block1;
  AttentionBlock mid_attn;
  ResidualBlock mid_block2;
};

// One resolution: residual blocks, each perhaps followed by attention (they are numbered as one list), then
// the way to the next level.
struct Level {
  Level(const Weights& weights, int64_t in, int64_t out, int64_t num_blocks, bool with_attention) {
    int64_t index = 0;
    for (int64_t i = 0; i < num_blocks; ++i) {
      blocks.emplace_back(weights / index++, i == 0 ? in : out, out);
      if (with_attention) attentions.emplace_back(weights / index++, out);
    }
  }

  at::Tensor operator()(at::Tensor h) const {
    for (size_t i = 0; i < blocks.size(); ++i) {
      h = blocks[i](h);
      if (!attentions.empty()) h = attentions[i](h);
    }
    return h;
  }

  std::vector<ResidualBlock> blocks;
  std::vector<AttentionBlock> attentions;  // one a block, or none
  std::optional<Conv2d> resample;          // none at the last level
};

std::vector<int64_t> LevelChannels(const BookVaeParams& params) {
  std::vector<int64_t> channels;
  for (int64_t multiplier : params.channel_multipliers) channels.push_back(params.base_channels * multiplier);
  return channels;
}

bool Contains(const std::vector<int64_t>& values, int64_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

void CheckRange(JsonObject& config, const char* key, int64_t value, int64_t max) {
  if (value < 1 || value > max) {
    config.Fail(key, "is " + std::to_string(value) + "; it must be 1 to " + std::to_string(max));
  }
}

int64_t ReadLatentChannels(JsonObject& config, int64_t default_value) {
  if (config.Int("in_channels", 3) != 3) config.Fail("in_channels", "must be 3: pictures are RGB");
  const int64_t channels = config.Int("latent_channels", default_value);
  CheckRange(config, "latent_channels", channels, kMaxChannels);
  return channels;
}

}  // namespace

struct BookVae::Encoder {
  Encoder(const BookVaeParams& params, const std::vector<int64_t>& channels, const Weights& weights)
      : conv_in(Conv3x3(weights / "conv_in", 3, channels.front())),
        mid(weights, channels.back()),
        norm_out(weights / "norm_out", kGroups, channels.back(), kEps),
        conv_out(Conv3x3(weights / "conv_out", channels.back(), 2 * params.latent_channels)) {
    int64_t resolution = kNominalResolution;
    int64_t in = channels.front();
    for (size_t i = 0; i < channels.size(); ++i) {
      levels.emplace_back(weights / "down_blocks" / i, in, channels[i], params.num_res_blocks,
                          Contains(params.attention_resolutions, resolution));
      in = channels[i];
      if (i + 1 < channels.size()) {
        levels.back().resample = Conv3x3(weights / "downsamplers" / i / "conv", in, in, /*stride=*/2);
        resolution /= 2;
      }
    }
  }

  at::Tensor operator()(const at::Tensor& pixels) const {
    at::Tensor h = conv_in(pixels);
    for (const Level& level : levels) {
      h = level(h);
      if (level.resample) h = (*level.resample)(h);
    }
    return conv_out(at::silu(norm_out(mid(h))));  // (B, 2C, h, w)
  }

  Conv2d conv_in;
  std::vector<Level> levels;
  MidBlock mid;
  GroupNorm norm_out;
  Conv2d conv_out;
};

struct BookVae::Decoder {
  Decoder(const BookVaeParams& params, const std::vector<int64_t>& channels, const Weights& weights)
      : conv_in(Conv3x3(weights / "conv_in", params.latent_channels, channels.back())),
        mid(weights, channels.back()),
        norm_out(weights / "norm_out", kGroups, channels.front(), kEps),
        conv_out(Conv3x3(weights / "conv_out", channels.front(), 3)) {
    int64_t resolution = kNominalResolution >> (channels.size() - 1);
    int64_t in = channels.back();
    for (size_t i = 0; i < channels.size(); ++i) {
      const int64_t out = channels[channels.size() - 1 - i];
      levels.emplace_back(weights / "up_blocks" / i, in, out, params.num_res_blocks + 1,
                          Contains(params.attention_resolutions, resolution));
      in = out;
      if (i + 1 < channels.size()) {
        levels.back().resample = Conv3x3(weights / "upsamplers" / i / "conv", in, in);
        resolution *= 2;
      }
    }
  }

  at::Tensor operator()(const at::Tensor& latent) const {
    at::Tensor h = mid(conv_in(latent));
    for (const Level& level : levels) {
      h = level(h);
      if (level.resample) h = (*level.resample)(Double(h));
    }
    return conv_out(at::silu(norm_out(h)));  // (B, 3, H, W)
  }

  Conv2d conv_in;
  MidBlock mid;
  std::vector<Level> levels;
  GroupNorm norm_out;
  Conv2d conv_out;
};

BookVae::BookVae(const BookVaeParams& params, const Weights& weights)
    : params_(params),
      encoder_(std::make_unique<Encoder>(params, LevelChannels(params), weights / "encoder")),
      decoder_(std::make_unique<Decoder>(params, LevelChannels(params), weights / "decoder")),
      scale_factor_(weights.Take("scale_factor", {}, Init::kOnes)) {}

BookVae::~BookVae() = default;

at::Tensor BookVae::Encode(const at::Tensor& pixels) const {
  return (*encoder_)(pixels).narrow(1, 0, params_.latent_channels) / scale_factor_;
}

at::Tensor BookVae::Decode(const at::Tensor& latent) const { return (*decoder_)(latent * scale_factor_); }

absl::StatusOr<BookVaeParams> BookVaeParams::FromConfig(JsonObject& config) {
  BookVaeParams params;
  params.latent_channels = ReadLatentChannels(config, params.latent_channels);
  params.base_channels = config.Int("base_channels", params.base_channels);
  CheckRange(config, "base_channels", params.base_channels, kMaxChannels);
  params.num_res_blocks = config.Int("num_res_blocks", params.num_res_blocks);
  CheckRange(config, "num_res_blocks", params.num_res_blocks, kMaxLayers);
  params.attention_resolutions = config.Ints("attention_resolutions", params.attention_resolutions);
  params.channel_multipliers = config.Ints("channel_multipliers", params.channel_multipliers);
  if (params.channel_multipliers.empty() || params.channel_multipliers.size() > kMaxLevels) {
    config.Fail("channel_multipliers", "must have 1 to " + std::to_string(kMaxLevels) + " entries");
  }
  for (int64_t multiplier : params.channel_multipliers) {
    CheckRange(config, "channel_multipliers", multiplier, kMaxChannels);
    if (!config.status().ok()) break;
    const int64_t channels = params.base_channels * multiplier;
    if (channels % kGroups != 0 || channels > kMaxChannels) {
      config.Fail("channel_multipliers",
                  "give a level of " + std::to_string(channels) + " channels; it must be a multiple of " +
                      std::to_string(kGroups) + " and at most " + std::to_string(kMaxChannels));
    }
  }
  if (!config.status().ok()) return config.status();
  return params;
}

struct BookSmallVae::Encoder {
  Encoder(const BookSmallVaeParams& params, const Weights& weights)
      : conv0(Conv3x3(weights / 0, 3, params.hidden_channels, /*stride=*/2)),
        norm1(weights / 1, kSmallGroups, params.hidden_channels, kEps),
        block3(weights / 3, params.hidden_channels, params.hidden_channels),
        conv4(Conv3x3(weights / 4, params.hidden_channels, 2 * params.hidden_channels, /*stride=*/2)),
        norm5(weights / 5, kSmallGroups, 2 * params.hidden_channels, kEps),
        block7(weights / 7, 2 * params.hidden_channels, 2 * params.hidden_channels),
        conv8(Conv3x3(weights / 8, 2 * params.hidden_channels, 2 * params.latent_channels)) {}

  at::Tensor operator()(const at::Tensor& pixels) const {
    at::Tensor h = block3(at::silu(norm1(conv0(pixels))));  // (B, hidden, H/2, W/2)
    h = block7(at::silu(norm5(conv4(h))));                  // (B, 2·hidden, H/4, W/4)
    return conv8(h);                                        // (B, 2C, h, w)
  }

  // Numbered as in the checkpoint; the numbers between are activations.
  Conv2d conv0;
  GroupNorm norm1;
  ResidualBlock block3;
  Conv2d conv4;
  GroupNorm norm5;
  ResidualBlock block7;
  Conv2d conv8;
};

struct BookSmallVae::Decoder {
  Decoder(const BookSmallVaeParams& params, const Weights& weights)
      : conv0(Conv3x3(weights / 0, params.latent_channels, 2 * params.hidden_channels)),
        norm1(weights / 1, kSmallGroups, 2 * params.hidden_channels, kEps),
        block3(weights / 3, 2 * params.hidden_channels, 2 * params.hidden_channels),
        conv5(Conv3x3(weights / 5, 2 * params.hidden_channels, params.hidden_channels)),
        norm6(weights / 6, kSmallGroups, params.hidden_channels, kEps),
        block8(weights / 8, params.hidden_channels, params.hidden_channels),
        conv10(Conv3x3(weights / 10, params.hidden_channels, params.hidden_channels)),
        norm11(weights / 11, kSmallGroups, params.hidden_channels, kEps),
        conv13(Conv3x3(weights / 13, params.hidden_channels, 3)) {}

  at::Tensor operator()(const at::Tensor& latent) const {
    at::Tensor h = block3(at::silu(norm1(conv0(latent))));  // (B, 2·hidden, h, w)
    h = block8(at::silu(norm6(conv5(Double(h)))));          // (B, hidden, 2h, 2w)
    return conv13(at::silu(norm11(conv10(Double(h)))));     // (B, 3, H, W)
  }

  Conv2d conv0;
  GroupNorm norm1;
  ResidualBlock block3;
  Conv2d conv5;
  GroupNorm norm6;
  ResidualBlock block8;
  Conv2d conv10;
  GroupNorm norm11;
  Conv2d conv13;
};

BookSmallVae::BookSmallVae(const BookSmallVaeParams& params, const Weights& weights)
    : params_(params),
      encoder_(std::make_unique<Encoder>(params, weights / "encoder")),
      decoder_(std::make_unique<Decoder>(params, weights / "decoder")),
      scale_factor_(weights.Take("scale_factor", {}, Init::kOnes)) {}

BookSmallVae::~BookSmallVae() = default;

at::Tensor BookSmallVae::Encode(const at::Tensor& pixels) const {
  return (*encoder_)(pixels).narrow(1, 0, params_.latent_channels) / scale_factor_;
}

at::Tensor BookSmallVae::Decode(const at::Tensor& latent) const {
  return (*decoder_)(latent * scale_factor_);
}

absl::StatusOr<BookSmallVaeParams> BookSmallVaeParams::FromConfig(JsonObject& config) {
  BookSmallVaeParams params;
  params.latent_channels = ReadLatentChannels(config, params.latent_channels);
  params.hidden_channels = config.Int("hidden_channels", params.hidden_channels);
  CheckRange(config, "hidden_channels", params.hidden_channels, kMaxChannels);
  if (params.hidden_channels % kGroups != 0) {
    config.Fail("hidden_channels", "must be a multiple of " + std::to_string(kGroups));
  }
  if (!config.status().ok()) return config.status();
  return params;
}

}  // namespace easel

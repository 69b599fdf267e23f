// What DiT and PixArt have in common. Both were once one class of diffusers, Transformer2DModel, and are
// saved under its keys and tensor names: its shape, and its layers as plain structs.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

#include "model/io/json.h"
#include "model/nn/layers.h"

namespace easel {

struct Transformer2DParams {
  int64_t num_attention_heads = 16;
  int64_t attention_head_dim = 72;
  int64_t in_channels = 4;   // C
  int64_t out_channels = 4;  // C, or 2C: with a learned variance, which no sampler here uses
  int64_t num_layers = 28;
  int64_t sample_size = 32;  // height and width of the latents that it was trained on
  int64_t patch_size = 2;
  std::string activation_fn = "gelu-approximate";  // or "gelu"
  double norm_eps = 1e-6;

  int64_t dim() const { return num_attention_heads * attention_head_dim; }  // D
};

// Reads the fields above; an absent one is as in `defaults`, out_channels null is in_channels. Notes in
// `config` the first fault: a number out of range, or a value that the networks here do not compute, for
// example attention_bias false, another norm_type than `norm_type`, norm_elementwise_affine true. dropout,
// norm_num_groups and upcast_attention are not read: they change nothing, here and there.
Transformer2DParams ReadTransformer2DParams(JsonObject& config, std::string_view norm_type,
                                            const Transformer2DParams& defaults);

// Whether the config says null at `key`, where an absent key means something else.
bool IsNull(const JsonObject& config, std::string_view key);

// pos_embed: a linear map of each patch, and sinusoidal positions.
struct Transformer2DPatches {
  Transformer2DPatches(const Weights& weights, const Transformer2DParams& params, double interpolation_scale);
  // (B, C, H, W) → (B, N, D). Throws unless H and W are multiples of patch_size.
  at::Tensor operator()(const at::Tensor& latent) const;

  Linear proj;
  int64_t dim, patch_size, base_size;
  double interpolation_scale;
};

// (B, N, p·p·out_channels) → (B, C, H, W): without the learned variance.
at::Tensor Transformer2DOutput(const at::Tensor& x, const Transformer2DParams& params, int64_t height,
                               int64_t width);

// linear_1, SiLU, linear_2: (rows, in) → (rows, out).
struct Transformer2DEmbedder {
  Transformer2DEmbedder(const Weights& weights, int64_t in, int64_t out);
  at::Tensor operator()(const at::Tensor& x) const;

  Linear linear_1, linear_2;
};

// attn1 (context: x itself) and attn2: (B, N, D), (B, L, D) → (B, N, D). `mask` as MultiHeadAttention's.
struct Transformer2DAttention {
  Transformer2DAttention(const Weights& weights, const Transformer2DParams& params);
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& context, const at::Tensor& mask = {}) const;

  Linear to_q, to_k, to_v, to_out;
  int64_t heads;
};

// ff: (B, N, D) → (B, N, D), four times as wide within.
struct Transformer2DFeedForward {
  Transformer2DFeedForward(const Weights& weights, const Transformer2DParams& params);
  at::Tensor operator()(const at::Tensor& x) const;

  Linear net_0_proj, net_2;
  std::string_view approximate;  // of the GELU
};

}  // namespace easel

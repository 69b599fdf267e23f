// What Stable Diffusion 3 and FLUX.1 have in common: image and text as two streams of tokens, each with
// weights of its own, that meet in one attention. diffusers' JointTransformerBlock (models/attention.py) and
// FluxTransformerBlock (models/transformers/transformer_flux.py), which have the same tensors under the same
// names.
//
//   image ─ norm1 ───────── q k v ─┐           ┌─ to_out ───── + ─ norm2 ───────── ff ───────── + ─►
//                                  ├ attention ┤
//   text ── norm1_context ─ q k v ─┘           └─ to_add_out ─ + ─ norm2_context ─ ff_context ─ + ─►
//
// One vector for time and prompt, the condition, scales and shifts after each norm, and gates what is added
// to a stream (adaLN-zero).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "model/nn/layers.h"
#include "model/nn/rotary.h"

namespace easel {

inline constexpr double kJointNormEps = 1e-6;  // of every norm of these networks

// diffusers' AdaLayerNormContinuous: ModulatedNorm (nn/modulation.h) by a linear map of the condition.
struct AdaptiveNorm {
  AdaptiveNorm(const Weights& weights, int64_t dim);
  // x (B, N, D), condition (B, D) → (B, N, D)
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& condition) const;

  Linear linear;
};

// time_text_embed: the vector for time, guidance scale and prompt.
struct TimeTextEmbed {
  TimeTextEmbed(const Weights& weights, int64_t pooled_dim, int64_t dim, bool has_guidance);
  // time (B) in 0 … 1000, guidance (B) read where has_guidance, pooled (B, pooled_dim) → (B, D)
  at::Tensor operator()(const at::Tensor& time, const at::Tensor& guidance, const at::Tensor& pooled) const;

  struct Embedder {
    Embedder(const Weights& weights, int64_t in, int64_t out);
    at::Tensor operator()(const at::Tensor& x) const;
    Linear linear_1, linear_2;
  };
  Embedder timestep_embedder;
  std::optional<Embedder> guidance_embedder;
  Embedder text_embedder;
};

enum class QkNorm { kNone, kRms };

// Queries, keys and values of one stream of tokens, by head.
struct HeadProjections {
  enum class Names { kOwn /* to_q … */, kAdded /* add_q_proj … */ };
  HeadProjections(const Weights& weights, Names names, int64_t heads, int64_t head_dim, QkNorm qk_norm);

  struct Heads {
    at::Tensor q, k, v;  // (B, L, heads, head_dim)
  };
  Heads operator()(const at::Tensor& x) const;  // x (B, L, D)

  Linear q, k, v;
  at::Tensor norm_q, norm_k;  // (head_dim), or undefined
  int64_t heads;
};

// Softmax attention, queries and keys turned by `rotary` where it is not null → (B, L, D).
at::Tensor Attend(const HeadProjections::Heads& heads, const RotaryTable* rotary);

// One stream's attention to itself: diffusers' Attention without text.
struct SelfAttention {
  SelfAttention(const Weights& weights, int64_t heads, int64_t head_dim, QkNorm qk_norm);
  at::Tensor operator()(const at::Tensor& x) const;  // (B, N, D) → (B, N, D)

  HeadProjections projections;
  Linear to_out;
};

struct TokenStreams {
  at::Tensor image;  // (B, N, D)
  at::Tensor text;   // (B, L, D)
};

// Both streams' attention to both. The last block of Stable Diffusion 3 has no more use for the text: there
// text comes out undefined.
struct JointAttention {
  JointAttention(const Weights& weights, int64_t heads, int64_t head_dim, QkNorm qk_norm, bool text_is_done);
  // `rotary`: null, or of L + N positions, the text's first.
  TokenStreams operator()(const TokenStreams& x, const RotaryTable* rotary) const;

  HeadProjections image, text;
  Linear to_out;
  std::optional<Linear> to_add_out;
};

// ff: (B, N, D) → (B, N, D), four times as wide within.
struct TokenFeedForward {
  TokenFeedForward(const Weights& weights, int64_t dim);
  at::Tensor operator()(const at::Tensor& x) const;

  Linear net_0_proj, net_2;
};

struct JointBlock {
  struct Options {
    int64_t heads, head_dim;
    QkNorm qk_norm;
    bool dual_attention = false;  // attn2: of the image to itself alone
    bool text_is_done = false;    // diffusers' context_pre_only
  };
  JointBlock(const Weights& weights, const Options& options);
  // condition (B, D), after its SiLU; `rotary` and what becomes of the text as in JointAttention.
  TokenStreams operator()(const TokenStreams& x, const at::Tensor& condition,
                          const RotaryTable* rotary) const;

  Linear norm1;                         // condition → shift, scale, gate of attn and of ff; and of attn2
  std::optional<Linear> norm1_context;  // the same of the text's attn and ff_context
  std::optional<AdaptiveNorm> last_norm1_context;  // where the text is done: under the same name
  JointAttention attn;
  std::optional<SelfAttention> attn2;
  TokenFeedForward ff;
  std::optional<TokenFeedForward> ff_context;
};

}  // namespace easel

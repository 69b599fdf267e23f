// transformers' T5EncoderModel of any size: token embeddings, pre-norm blocks of self-attention and MLP without
// biases, a final norm. Positions enter as a learned bias on the attention's logits, by distance, one table for
// all blocks. Formulas: transformers' models/t5/modeling_t5.py.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/conditioning/text_encoder.h"
#include "model/io/json.h"
#include "model/nn/layers.h"

namespace easel {

struct T5TextParams {
  int64_t vocab_size = 32128;
  int64_t d_model = 512;  // C
  int64_t d_kv = 64;      // of a head; num_heads · d_kv need not be d_model
  int64_t d_ff = 2048;
  int64_t num_layers = 6;
  int64_t num_heads = 8;  // H
  int64_t relative_attention_num_buckets = 32;
  int64_t relative_attention_max_distance = 128;
  double layer_norm_epsilon = 1e-6;
  std::string dense_act_fn = "relu";  // or gelu_new: gelu by tanh
  bool is_gated_act = false;

  // config.json's keys are these fields' names, its defaults these; absent dense_act_fn and is_gated_act follow
  // from `feed_forward_proj` as T5Config derives them ("gated-gelu": gelu_new, gated). An error names file and
  // key; refused are other activations, a decoder (`is_decoder`), and the second names that transformers has for
  // some keys (`hidden_size`, ...).
  static absl::StatusOr<T5TextParams> FromConfig(JsonObject& config);
};

// In float16 as transformers computes it: the MLP's second product (`wo`) is in float32, so from the first MLP on
// the residual stream is too; where the first attention leaves an infinity, its row is cut to ±64504 (transformers
// cuts the whole batch). `wo` has the values that the source hands out: of a float32 file that is read as float16
// these are rounded, which transformers' are not. In either half precision gelu_new is rounded once, at
// its end, where transformers rounds each of its operations.
//
// A row has the same bits alone and in any batch where num_heads · d_kv is a multiple of 4, as it always is:
// attention's products on the CPU differ with a row's alignment to 16 bytes.
class T5TextEncoder : public TextEncoder {
 public:
  // The token table is encoder.embed_tokens.weight where the source has it, else shared.weight.
  T5TextEncoder(const T5TextParams& params, const Weights& weights);

  // `hidden` alone; T5 knows no pooled vector, and `penultimate` is CLIP's. A row whose mask is all false attends
  // evenly to its padding, as in transformers.
  TextFeatures Forward(const at::Tensor& ids, const at::Tensor& mask) const override;
  int64_t vocab_size() const override { return params_.vocab_size; }
  // Distances have no end, so the network takes any length: its tokenizer says how long a prompt is.
  int64_t max_length() const override { return std::numeric_limits<int64_t>::max(); }
  int64_t width() const override { return params_.d_model; }
  at::TensorOptions options() const override { return token_embedding_.options(); }

 private:
  struct RmsNorm {
    RmsNorm(const Weights& weights, int64_t dim, double eps);
    at::Tensor operator()(const at::Tensor& x) const;  // in the weight's dtype
    at::Tensor weight;                                 // (dim)
    double eps;
  };
  struct Block {
    Block(const T5TextParams& params, const Weights& weights);
    at::Tensor operator()(at::Tensor x, const at::Tensor& bias) const;
    int64_t heads;
    bool gelu;
    RmsNorm attention_norm;
    Linear q, k, v, o;
    RmsNorm mlp_norm;
    std::optional<Linear> wi, wi_0, wi_1;  // wi, or the two of a gated MLP
    Linear wo;
  };

  // What is added to the logits of L tokens, (1 or B, H, L, L): the bias of their distance, or the lowest number
  // where the key is padding.
  at::Tensor AttentionBias(int64_t length, const at::Tensor& mask) const;

  T5TextParams params_;
  at::Tensor token_embedding_;          // (vocab_size, C)
  at::Tensor relative_attention_bias_;  // (relative_attention_num_buckets, H)
  at::Tensor buckets_;                  // (2 · max_distance + 1) int64, by key − query from −max_distance on
  std::vector<Block> blocks_;
  RmsNorm final_layer_norm_;
};

// The bucket of a key that stands `distance` tokens behind (below 0: before) its query, for each int64 distance.
// As transformers computes it, in float32. REQUIRES: num_buckets >= 4, max_distance > num_buckets / 4.
at::Tensor T5RelativePositionBucket(const at::Tensor& distance, int64_t num_buckets, int64_t max_distance);

}  // namespace easel

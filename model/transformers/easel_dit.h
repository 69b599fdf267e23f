// EaselDiT, the network of the shipped model: the book's DiT with text and class in one network, each droppable.
//
//   latent ─ patchify ─ + positions + layout ─► [ self-attention, (cross-attention), MLP ] × depth ─ norm ─ linear ─► velocity
//   time, pooled text, class ─► condition ─► scale, shift and gate of every part of every block (adaLN-zero)
//   text tokens ─────────────────────────► keys and values of the cross-attention in every second block
//
// It adds to the book's: gates (adaLN-zero), RMS-normalised queries and keys, and a *layout*: the pooled text, the class, the
// time and the latent as a whole through a small MLP to one vector per patch, added to the patches. A request's rough picture
// is thus known before the first block, for little more than the cost of a vector; and where a class or nothing leaves open
// which picture it is to be, the whole latent decides in one place (the posterior over known pictures is a softmax of linear
// functions of it).
//
// Where there is no text, a *recall* may stand in for the pooled text: the latent as a whole, the time and the class are scored
// against known pictures, and the softmax of the scores mixes what each of them would be called. A row that asks for nothing is
// then drawn as surely as one that names its picture; without, a small network draws a blend of several.
//
// A row without text has text_mask all false and zeros in text and pooled; one without class has label = num_classes. So
// prompts, classes and unconditional requests share a forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/nn/layers.h"
#include "model/transformers/transformer.h"

namespace easel {

struct EaselDiTParams {
  int64_t img_size = 16;     // latent height and width
  int64_t patch_size = 2;
  int64_t in_channels = 4;
  int64_t embed_dim = 256;   // D
  int64_t depth = 6;
  int64_t num_heads = 4;
  double mlp_ratio = 4;
  int64_t num_classes = 0;   // 0: no classes
  int64_t context_dim = 0;   // width of text and pooled; 0: no text
  int64_t layout_hidden = 512;
  int64_t layout_dim = 32;   // numbers per patch in the layout
  int64_t recall_size = 0;   // known pictures, K; 0: no recall. Needs text
  int64_t recall_dim = 256;  // width of the scores' query

  // config.json's keys are these fields' names. An error names file and key.
  static absl::StatusOr<EaselDiTParams> FromConfig(JsonObject& config);
};

class EaselDiT : public Transformer {
 public:
  EaselDiT(const EaselDiTParams& params, const Weights& weights);
  // time: t in [0, 1], 1 is noise. Differentiable.
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time, const Conditioning& conditioning) const override;
  const EaselDiTParams& params() const { return params_; }

  // The logits (B, K) over the known pictures that a row without text recalls by; float32. `label` (B). Differentiable. REQUIRES:
  // recall_size > 0.
  at::Tensor RecallScores(const at::Tensor& latent, const at::Tensor& time, const at::Tensor& label) const;

 private:
  struct Recall {
    Recall(const Weights& weights, const EaselDiTParams& params);
    at::Tensor Scores(const at::Tensor& latent, const at::Tensor& when, const at::Tensor& kind) const;
    Linear query, gain, key;
    Linear value;  // K → context_dim: the pooled text of each known picture
  };
  struct CrossAttention {
    CrossAttention(const Weights& weights, int64_t dim, int64_t context_dim, int64_t heads);
    at::Tensor operator()(const at::Tensor& x, const at::Tensor& text, const at::Tensor& mask) const;
    Linear q, kv, out;
    int64_t heads;
  };
  struct Block {
    Block(const Weights& weights, const EaselDiTParams& params, bool has_cross_attention);
    at::Tensor operator()(at::Tensor x, const at::Tensor& condition, const at::Tensor& text, const at::Tensor& mask) const;
    int64_t heads;
    Linear modulation;  // condition → shift, scale and gate of each part
    Linear qkv, out;
    at::Tensor q_norm, k_norm;  // (head dim)
    std::optional<CrossAttention> cross_attention;
    Linear fc1, fc2;
  };

  at::Tensor EmbedTime(const at::Tensor& time, at::ScalarType dtype) const;  // (B, D)

  EaselDiTParams params_;
  at::Tensor positions_;  // (N, D), computed
  Linear patch_embed_;
  Linear time_fc1_, time_fc2_;
  at::Tensor class_embed_;  // (num_classes + 1, D)
  std::optional<Linear> pooled_proj_;
  at::Tensor null_token_;  // (1, 1, context_dim): what a row attends to before any word, so that a row without text has a key
  std::optional<Recall> recall_;
  Linear layout_fc1_, layout_latent_, layout_mlp_fc1_, layout_mlp_fc2_, layout_fc2_, layout_out_;
  std::vector<Block> blocks_;
  Linear final_modulation_, final_proj_;
};

}  // namespace easel

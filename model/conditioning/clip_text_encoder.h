// transformers' CLIPTextModel and CLIPTextModelWithProjection of any size: token and position embeddings,
// pre-norm blocks of causal self-attention and MLP, a final norm; the second projects the pooled vector.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/conditioning/text_encoder.h"
#include "model/io/json.h"
#include "model/nn/layers.h"

namespace easel {

struct ClipTextParams {
  int64_t vocab_size = 49408;
  int64_t hidden_size = 512;  // C
  int64_t intermediate_size = 2048;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 8;
  int64_t max_position_embeddings = 77;
  std::string hidden_act = "quick_gelu";  // or gelu
  double layer_norm_eps = 1e-5;
  int64_t eos_token_id = 49407;  // pooled: its first place; 2 (in older files): the place of the largest id
  int64_t projection_dim = 512;  // P, with a projection

  // config.json's keys are these fields' names, its defaults these. An error names file and key; refused is the
  // config of a whole CLIP, whose text model is an object inside.
  static absl::StatusOr<ClipTextParams> FromConfig(JsonObject& config);
};

// Tensors of older checkpoints that hold no weights, which the class's own loader ignores too.
inline constexpr std::array<std::string_view, 2> kClipTextIgnoredTensors = {
    "text_model.embeddings.position_ids", "embeddings.position_ids"};

enum class TextProjection { kNo, kYes };

class ClipTextEncoder : public TextEncoder {
 public:
  // Takes names with the prefix `text_model.` where the source has them so, else without; text_projection.weight
  // never has it. kYes: CLIPTextModelWithProjection.
  ClipTextEncoder(const ClipTextParams& params, const Weights& weights,
                  TextProjection projection = TextProjection::kNo);

  // All three features. `pooled` is what transformers calls pooler_output or, with a projection, text_embeds.
  TextFeatures Forward(const at::Tensor& ids, const at::Tensor& mask) const override;
  int64_t vocab_size() const override { return params_.vocab_size; }
  int64_t max_length() const override { return params_.max_position_embeddings; }
  int64_t width() const override { return params_.hidden_size; }
  at::TensorOptions options() const override { return token_embedding_.options(); }

 private:
  struct Layer {
    Layer(const ClipTextParams& params, const Weights& weights);
    at::Tensor operator()(const at::Tensor& x, const at::Tensor& mask) const;
    int64_t heads;
    bool quick_gelu;
    LayerNorm layer_norm1;
    Linear q_proj, k_proj, v_proj, out_proj;
    LayerNorm layer_norm2;
    Linear fc1, fc2;
  };

  ClipTextParams params_;
  at::Tensor token_embedding_;     // (vocab_size, C)
  at::Tensor position_embedding_;  // (max_position_embeddings, C)
  std::vector<Layer> layers_;
  LayerNorm final_layer_norm_;
  std::optional<Linear> text_projection_;
};

}  // namespace easel

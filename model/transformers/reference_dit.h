// The diffusion transformers of the book's text_to_image package, under its constructors' argument names and
// its state dict's tensor names: DiT (no condition), ConditionalDiT (a class, added to the time) and
// TextConditionalDiT (cross-attention).
//
//   latent ─ patches ─ + positions ─► blocks ─► final_norm ─ final_proj ─ patches back ─► velocity
//   time (and class) ─ MLP ─► adaLN, for every norm of a block: norm(x) · (1 + scale) + shift; no gate
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/nn/weights.h"
#include "model/transformers/transformer.h"

namespace easel {

enum class ReferenceDitKind { kUnconditional, kClass, kText };

struct ReferenceDitParams {
  ReferenceDitKind kind = ReferenceDitKind::kText;
  int64_t img_size = 32;  // of the latent: height and width, the only size that the network takes
  int64_t patch_size = 4;
  int64_t in_channels = 3;
  int64_t embed_dim = 256;
  int64_t depth = 6;
  int64_t num_heads = 8;
  double mlp_ratio = 4.0;
  int64_t num_classes = 10;   // kClass alone; this number itself is the null class
  int64_t context_dim = 512;  // kText alone

  // Absent keys take the defaults of the class's constructor; dropout is not read. An error names the class,
  // or the key of a value that cannot be: sizes that do not divide, numbers out of range.
  static absl::StatusOr<ReferenceDitParams> FromConfig(std::string_view class_name, JsonObject& config);
};

class ReferenceDit : public Transformer {
 public:
  ReferenceDit(const ReferenceDitParams& params, const Weights& weights);
  ~ReferenceDit() override;

  // latent (B, C, S, S) with S = img_size; time (B) in [0, 1], 1 is noise. Of the conditioning, kClass needs
  // `label`, kText `text` and, where there is padding, `text_mask` with one real token in each row at least.
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override;

 private:
  struct Network;

  const ReferenceDitParams params_;
  std::unique_ptr<const Network> network_;
};

}  // namespace easel

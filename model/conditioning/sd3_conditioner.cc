#include "model/conditioning/sd3_conditioner.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/conditioning/prompt_conditioner.h"

namespace easel {
namespace {

enum Encoder { kClipL, kClipG, kT5 };

class Sd3Conditioner : public PromptConditioner {
 public:
  Sd3Conditioner(std::vector<PromptEncoder> encoders, int64_t width)
      : PromptConditioner(std::move(encoders)), width_(width) {}

 private:
  Conditioning EncodeRow(const std::vector<Tokens>& prompt) const override {
    const at::TensorOptions options = encoder(kClipL).options();
    const TextFeatures l = encoder(kClipL).Encode(prompt[kClipL], MaskToEncoder::kNo);
    const TextFeatures g = encoder(kClipG).Encode(prompt[kClipG], MaskToEncoder::kNo);
    at::Tensor clip = at::cat({l.penultimate, g.penultimate.to(options)}, -1);  // (1, 77, C_l + C_g)
    clip = at::constant_pad_nd(clip, {0, width_ - clip.size(-1)});              // (1, 77, C)
    at::Tensor t5 = prompt.size() > kT5
                        ? encoder(kT5).Encode(prompt[kT5], MaskToEncoder::kNo).hidden.to(options)
                        : at::zeros({1, kSd3T5Tokens, width_}, options);  // (1, 256, C)
    Conditioning row;
    row.text = at::cat({clip, t5}, 1);
    row.pooled = at::cat({l.pooled, g.pooled.to(options)}, -1);
    return row;
  }

  const int64_t width_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Conditioner>> MakeSd3Conditioner(PromptEncoder clip_l, PromptEncoder clip_g,
                                                                std::optional<PromptEncoder> t5,
                                                                int64_t joint_attention_dim) {
  if (clip_l.max_length() != clip_g.max_length()) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer_2 makes prompts of ", clip_g.max_length(),
                                                   " tokens, tokenizer of ", clip_l.max_length(),
                                                   "; they must be the same"));
  }
  if (clip_l.width() + clip_g.width() > joint_attention_dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("text_encoder and text_encoder_2 are ", clip_l.width(), " + ", clip_g.width(),
                     " wide, more than the transformer's joint_attention_dim of ", joint_attention_dim));
  }
  if (t5 && t5->width() != joint_attention_dim) {
    return absl::InvalidArgumentError(absl::StrCat("text_encoder_3 is ", t5->width(),
                                                   " wide, not the transformer's joint_attention_dim of ",
                                                   joint_attention_dim));
  }
  if (t5 && t5->max_length() != kSd3T5Tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer_3 makes prompts of ", t5->max_length(), " tokens, not of ", kSd3T5Tokens));
  }
  std::vector<PromptEncoder> encoders;
  encoders.push_back(std::move(clip_l));
  encoders.push_back(std::move(clip_g));
  if (t5) encoders.push_back(*std::move(t5));
  return std::make_unique<Sd3Conditioner>(std::move(encoders), joint_attention_dim);
}

}  // namespace easel

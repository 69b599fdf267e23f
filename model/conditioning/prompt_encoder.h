// A tokenizer and the text encoder made for it, behind which a family's conditioner need not look.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/conditioning/text_encoder.h"
#include "model/conditioning/tokenizer.h"

namespace easel {

enum class MaskToEncoder { kYes, kNo };

// Immutable; usable from any thread.
class PromptEncoder {
 public:
  // InvalidArgument where the tokenizer gives more ids, or longer prompts, than the encoder takes.
  // REQUIRES: neither is null.
  static absl::StatusOr<PromptEncoder> Create(std::unique_ptr<Tokenizer> tokenizer,
                                              std::unique_ptr<TextEncoder> encoder);

  Tokens Tokenize(std::string_view prompt) const { return tokenizer_->Tokenize(prompt); }
  // (1, L) bool on the encoder's device, true: a token of the prompt.
  at::Tensor Mask(const Tokens& tokens) const;
  // One row, with what this encoder has. kNo: padding is attended to as well.
  TextFeatures Encode(const Tokens& tokens, MaskToEncoder mask) const;

  int64_t max_length() const { return tokenizer_->max_length(); }    // L, of every prompt
  int64_t width() const { return encoder_->width(); }                // C
  at::TensorOptions options() const { return encoder_->options(); }  // dtype and device of the features

 private:
  PromptEncoder(std::unique_ptr<Tokenizer> tokenizer, std::unique_ptr<TextEncoder> encoder);

  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<TextEncoder> encoder_;
};

}  // namespace easel

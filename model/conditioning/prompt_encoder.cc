#include "model/conditioning/prompt_encoder.h"

#include <ATen/ATen.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace easel {

absl::StatusOr<PromptEncoder> PromptEncoder::Create(std::unique_ptr<Tokenizer> tokenizer,
                                                    std::unique_ptr<TextEncoder> encoder) {
  if (tokenizer->vocab_size() > encoder->vocab_size()) {
    return absl::InvalidArgumentError(absl::StrCat("the tokenizer's vocabulary of ", tokenizer->vocab_size(),
                                                   " is larger than the text encoder's of ",
                                                   encoder->vocab_size()));
  }
  if (tokenizer->max_length() > encoder->max_length()) {
    return absl::InvalidArgumentError(absl::StrCat("the tokenizer's prompts of ", tokenizer->max_length(),
                                                   " tokens are longer than the text encoder's ",
                                                   encoder->max_length()));
  }
  return PromptEncoder(std::move(tokenizer), std::move(encoder));
}

PromptEncoder::PromptEncoder(std::unique_ptr<Tokenizer> tokenizer, std::unique_ptr<TextEncoder> encoder)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)) {}

at::Tensor PromptEncoder::Mask(const Tokens& tokens) const {
  return at::tensor(tokens.mask, at::kByte).to(at::kBool).unsqueeze(0).to(options().device());
}

TextFeatures PromptEncoder::Encode(const Tokens& tokens, MaskToEncoder mask) const {
  const at::Tensor ids = at::tensor(tokens.ids, at::kLong).unsqueeze(0).to(options().device());
  return encoder_->Forward(ids, mask == MaskToEncoder::kYes ? Mask(tokens) : at::Tensor());
}

}  // namespace easel

#include "model/conditioning/conditioner.h"

#include <ATen/ATen.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/prompt_cache.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr size_t kPromptCacheBytes =
    64 << 20;  // some hundred prompts of a large encoder, thousands of a small one

absl::Status RefusePrompt() { return absl::InvalidArgumentError("prompt: this model takes no prompt"); }

absl::Status CheckLabel(const ConditionRequest& request, int64_t num_classes) {
  if (!request.label) return absl::OkStatus();
  if (num_classes == 0) return absl::InvalidArgumentError("class_label: this model has no classes");
  if (*request.label >= 0 && *request.label < num_classes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("class_label: ", *request.label, " is not a class; there are 0 to ", num_classes - 1));
}

at::Tensor LabelTensor(const TokenizedCondition& condition, int64_t num_classes, c10::Device device) {
  return at::full({1}, condition.label.value_or(num_classes), at::TensorOptions(device).dtype(at::kLong));
}

class Unconditional : public Conditioner {
 public:
  absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const override {
    if (request.prompt) return RefusePrompt();
    EASEL_RETURN_IF_ERROR(CheckLabel(request, 0));
    return TokenizedCondition{};
  }
  EncodedCondition Encode(const TokenizedCondition&) const override { return {}; }
};

class ClassConditioner : public Conditioner {
 public:
  ClassConditioner(int64_t num_classes, c10::Device device) : num_classes_(num_classes), device_(device) {}

  int64_t num_classes() const override { return num_classes_; }
  absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const override {
    if (request.prompt) return RefusePrompt();
    EASEL_RETURN_IF_ERROR(CheckLabel(request, num_classes_));
    return TokenizedCondition{{}, request.label};
  }
  EncodedCondition Encode(const TokenizedCondition& condition) const override {
    EncodedCondition encoded;
    encoded.row.label = LabelTensor(condition, num_classes_, device_);
    return encoded;
  }

 private:
  const int64_t num_classes_;
  const c10::Device device_;
};

// A tokenizer, its encoder, and the prompts that went through both lately.
class PromptEncoder {
 public:
  static absl::StatusOr<std::unique_ptr<PromptEncoder>> Create(std::unique_ptr<Tokenizer> tokenizer,
                                                               std::unique_ptr<TextEncoder> encoder,
                                                               MaskToEncoder mask) {
    if (tokenizer->vocab_size() > encoder->vocab_size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tokenizer's vocabulary of ", tokenizer->vocab_size(),
                       " is larger than the text encoder's of ", encoder->vocab_size()));
    }
    if (tokenizer->max_length() > encoder->max_length()) {
      return absl::InvalidArgumentError(absl::StrCat("the tokenizer's prompts of ", tokenizer->max_length(),
                                                     " tokens are longer than the text encoder's ",
                                                     encoder->max_length()));
    }
    return std::unique_ptr<PromptEncoder>(new PromptEncoder(std::move(tokenizer), std::move(encoder), mask));
  }

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  c10::Device device() const { return encoder_->options().device(); }

  // text, text_mask and pooled.
  EncodedCondition Encode(const Tokens& tokens) {
    if (std::optional<Conditioning> row = cache_.Find(tokens)) return {*std::move(row), /*cache_hit=*/true};
    EncodedCondition encoded;
    const at::Tensor ids = at::tensor(tokens.ids, at::kLong).unsqueeze(0).to(device());
    encoded.row.text_mask = at::tensor(tokens.mask, at::kByte).to(at::kBool).unsqueeze(0).to(device());
    TextFeatures features =
        encoder_->Forward(ids, mask_ == MaskToEncoder::kYes ? encoded.row.text_mask : at::Tensor());
    encoded.row.text = features.hidden;
    encoded.row.pooled = features.pooled;
    cache_.Insert(tokens, encoded.row);
    return encoded;
  }

  // The same sizes, with nothing to attend to.
  Conditioning NoText() const {
    const int64_t length = tokenizer_->max_length(), width = encoder_->width();
    Conditioning row;
    row.text = at::zeros({1, length, width}, encoder_->options());
    row.text_mask = at::zeros({1, length}, encoder_->options().dtype(at::kBool));
    row.pooled = at::zeros({1, width}, encoder_->options());
    return row;
  }

 private:
  PromptEncoder(std::unique_ptr<Tokenizer> tokenizer, std::unique_ptr<TextEncoder> encoder,
                MaskToEncoder mask)
      : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)), mask_(mask) {}

  const std::unique_ptr<Tokenizer> tokenizer_;
  const std::unique_ptr<TextEncoder> encoder_;
  const MaskToEncoder mask_;
  PromptCache cache_{kPromptCacheBytes};
};

class TextConditioner : public Conditioner {
 public:
  explicit TextConditioner(std::unique_ptr<PromptEncoder> prompts) : prompts_(std::move(prompts)) {}

  bool takes_prompt() const override { return true; }
  int64_t max_prompt_tokens() const override { return prompts_->tokenizer().max_length(); }
  absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const override {
    EASEL_RETURN_IF_ERROR(CheckLabel(request, 0));
    return TokenizedCondition{prompts_->tokenizer().Tokenize(request.prompt.value_or("")), {}};
  }
  EncodedCondition Encode(const TokenizedCondition& condition) const override {
    EncodedCondition encoded = prompts_->Encode(*condition.tokens);
    encoded.row.pooled = at::Tensor();  // this family has no use for it
    return encoded;
  }

 private:
  const std::unique_ptr<PromptEncoder> prompts_;
};

class EaselConditioner : public Conditioner {
 public:
  EaselConditioner(std::unique_ptr<PromptEncoder> prompts, int64_t num_classes, c10::Device device)
      : prompts_(std::move(prompts)), num_classes_(num_classes), device_(device) {}

  bool takes_prompt() const override { return prompts_ != nullptr; }
  int64_t num_classes() const override { return num_classes_; }
  int64_t max_prompt_tokens() const override { return prompts_ ? prompts_->tokenizer().max_length() : 0; }
  absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const override {
    if (request.prompt && !prompts_) return RefusePrompt();
    EASEL_RETURN_IF_ERROR(CheckLabel(request, num_classes_));
    TokenizedCondition condition;
    if (request.prompt) condition.tokens = prompts_->tokenizer().Tokenize(*request.prompt);
    condition.label = request.label;
    return condition;
  }
  EncodedCondition Encode(const TokenizedCondition& condition) const override {
    EncodedCondition encoded;
    if (condition.tokens) {
      encoded = prompts_->Encode(*condition.tokens);
    } else if (prompts_) {
      encoded.row = prompts_->NoText();
    }
    encoded.row.label = LabelTensor(condition, num_classes_, device_);
    return encoded;
  }

 private:
  const std::unique_ptr<PromptEncoder> prompts_;  // null: no text
  const int64_t num_classes_;
  const c10::Device device_;
};

}  // namespace

std::unique_ptr<Conditioner> MakeUnconditional() { return std::make_unique<Unconditional>(); }

std::unique_ptr<Conditioner> MakeClassConditioner(int64_t num_classes, c10::Device device) {
  return std::make_unique<ClassConditioner>(num_classes, device);
}

absl::StatusOr<std::unique_ptr<Conditioner>> MakeTextConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                 std::unique_ptr<TextEncoder> encoder,
                                                                 MaskToEncoder mask_to_encoder) {
  EASEL_ASSIGN_OR_RETURN(auto prompts,
                         PromptEncoder::Create(std::move(tokenizer), std::move(encoder), mask_to_encoder));
  return std::make_unique<TextConditioner>(std::move(prompts));
}

absl::StatusOr<std::unique_ptr<Conditioner>> MakeEaselConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                  std::unique_ptr<TextEncoder> encoder,
                                                                  int64_t num_classes, c10::Device device) {
  std::unique_ptr<PromptEncoder> prompts;
  if (tokenizer && encoder) {
    EASEL_ASSIGN_OR_RETURN(
        prompts, PromptEncoder::Create(std::move(tokenizer), std::move(encoder), MaskToEncoder::kYes));
  }
  return std::make_unique<EaselConditioner>(std::move(prompts), num_classes, device);
}

}  // namespace easel

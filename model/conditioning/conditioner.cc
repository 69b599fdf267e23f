#include "model/conditioning/conditioner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/prompt_conditioner.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

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

std::vector<PromptEncoder> Alone(PromptEncoder encoder) {
  std::vector<PromptEncoder> encoders;
  encoders.push_back(std::move(encoder));
  return encoders;
}

class TextConditioner : public PromptConditioner {
 public:
  TextConditioner(PromptEncoder encoder, MaskToEncoder mask_to_encoder)
      : PromptConditioner(Alone(std::move(encoder))), mask_to_encoder_(mask_to_encoder) {}

 private:
  Conditioning EncodeRow(const std::vector<Tokens>& prompt) const override {
    Conditioning row;
    row.text = encoder(0).Encode(prompt[0], mask_to_encoder_).hidden;
    row.text_mask = encoder(0).Mask(prompt[0]);
    return row;
  }

  const MaskToEncoder mask_to_encoder_;
};

// The part of EaselConditioner that reads prompts.
class EaselPrompts : public PromptConditioner {
 public:
  explicit EaselPrompts(PromptEncoder encoder) : PromptConditioner(Alone(std::move(encoder))) {}

  // The same sizes, with nothing to attend to.
  Conditioning NoText() const {
    const int64_t length = encoder(0).max_length(), width = encoder(0).width();
    const at::TensorOptions options = encoder(0).options();
    Conditioning row;
    row.text = at::zeros({1, length, width}, options);
    row.text_mask = at::zeros({1, length}, options.dtype(at::kBool));
    row.pooled = at::zeros({1, width}, options);
    return row;
  }

 private:
  Conditioning EncodeRow(const std::vector<Tokens>& prompt) const override {
    const TextFeatures features = encoder(0).Encode(prompt[0], MaskToEncoder::kYes);
    Conditioning row;
    row.text = features.hidden;
    row.text_mask = encoder(0).Mask(prompt[0]);
    row.pooled = features.pooled;
    return row;
  }
};

class EaselConditioner : public Conditioner {
 public:
  EaselConditioner(std::unique_ptr<EaselPrompts> prompts, int64_t num_classes, c10::Device device)
      : prompts_(std::move(prompts)), num_classes_(num_classes), device_(device) {}

  bool takes_prompt() const override { return prompts_ != nullptr; }
  int64_t num_classes() const override { return num_classes_; }
  int64_t max_prompt_tokens() const override { return prompts_ ? prompts_->max_prompt_tokens() : 0; }
  absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const override {
    if (request.prompt && !prompts_) return RefusePrompt();
    EASEL_RETURN_IF_ERROR(CheckLabel(request, num_classes_));
    TokenizedCondition condition;
    if (request.prompt) {
      EASEL_ASSIGN_OR_RETURN(condition, prompts_->Tokenize({request.prompt, {}}));
    }
    condition.label = request.label;
    return condition;
  }
  EncodedCondition Encode(const TokenizedCondition& condition) const override {
    EncodedCondition encoded;
    if (condition.has_text()) {
      encoded = prompts_->Encode(condition);
    } else if (prompts_) {
      encoded.row = prompts_->NoText();
    }
    encoded.row.label = LabelTensor(condition, num_classes_, device_);
    return encoded;
  }

 private:
  const std::unique_ptr<EaselPrompts> prompts_;  // null: no text
  const int64_t num_classes_;
  const c10::Device device_;
};

}  // namespace

int TokenizedCondition::tokens_cut() const {
  int most = 0;
  for (const Tokens& part : tokens) most = std::max(most, part.cut);
  return most;
}

std::unique_ptr<Conditioner> MakeUnconditional() { return std::make_unique<Unconditional>(); }

std::unique_ptr<Conditioner> MakeClassConditioner(int64_t num_classes, c10::Device device) {
  return std::make_unique<ClassConditioner>(num_classes, device);
}

absl::StatusOr<std::unique_ptr<Conditioner>> MakeTextConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                 std::unique_ptr<TextEncoder> encoder,
                                                                 MaskToEncoder mask_to_encoder) {
  EASEL_ASSIGN_OR_RETURN(PromptEncoder prompts,
                         PromptEncoder::Create(std::move(tokenizer), std::move(encoder)));
  return std::make_unique<TextConditioner>(std::move(prompts), mask_to_encoder);
}

absl::StatusOr<std::unique_ptr<Conditioner>> MakeEaselConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                  std::unique_ptr<TextEncoder> encoder,
                                                                  int64_t num_classes, c10::Device device) {
  std::unique_ptr<EaselPrompts> prompts;
  if (tokenizer && encoder) {
    EASEL_ASSIGN_OR_RETURN(PromptEncoder text,
                           PromptEncoder::Create(std::move(tokenizer), std::move(encoder)));
    prompts = std::make_unique<EaselPrompts>(std::move(text));
  }
  return std::make_unique<EaselConditioner>(std::move(prompts), num_classes, device);
}

}  // namespace easel

#include "model/conditioning/prompt_conditioner.h"

#include <algorithm>
#include <optional>

namespace easel {

int64_t PromptConditioner::max_prompt_tokens() const {
  int64_t most = 0;
  for (const PromptEncoder& encoder : encoders_) most = std::max(most, encoder.max_length());
  return most;
}

absl::StatusOr<TokenizedCondition> PromptConditioner::Tokenize(const ConditionRequest& request) const {
  if (request.label) return absl::InvalidArgumentError("class_label: this model has no classes");
  TokenizedCondition condition;
  for (const PromptEncoder& encoder : encoders_) {
    condition.tokens.push_back(encoder.Tokenize(request.prompt.value_or("")));
  }
  return condition;
}

EncodedCondition PromptConditioner::Encode(const TokenizedCondition& condition) const {
  if (std::optional<Conditioning> row = cache_.Find(condition.tokens)) {
    return {*std::move(row), /*cache_hit=*/true};
  }
  EncodedCondition encoded{EncodeRow(condition.tokens)};
  cache_.Insert(condition.tokens, encoded.row);
  return encoded;
}

}  // namespace easel

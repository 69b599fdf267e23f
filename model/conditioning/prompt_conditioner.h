// What conditioners of prompts alone have in common. A family adds how it joins its encoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/conditioning/conditioner.h"
#include "model/conditioning/prompt_cache.h"
#include "model/conditioning/prompt_encoder.h"

namespace easel {

// Takes no class; without a prompt, the prompt is "". Each encoder reads all of it.
class PromptConditioner : public Conditioner {
 public:
  bool takes_prompt() const override { return true; }
  int64_t max_prompt_tokens() const override;
  absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const override;
  EncodedCondition Encode(const TokenizedCondition& condition) const override;

 protected:
  explicit PromptConditioner(std::vector<PromptEncoder> encoders) : encoders_(std::move(encoders)) {}
  const PromptEncoder& encoder(size_t i) const { return encoders_[i]; }

 private:
  // Runs the encoders; prompt[i] is what encoder(i) reads.
  virtual Conditioning EncodeRow(const std::vector<Tokens>& prompt) const = 0;

  const std::vector<PromptEncoder> encoders_;
  mutable PromptCache cache_{kPromptCacheBytes};
};

}  // namespace easel

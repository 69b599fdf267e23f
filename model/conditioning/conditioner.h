// How a family turns what was asked for into the tensors that its transformer is conditioned on, behind one
// interface.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/conditioning/conditioning.h"
#include "model/conditioning/prompt_encoder.h"
#include "model/conditioning/text_encoder.h"
#include "model/conditioning/tokenizer.h"

namespace easel {

// What one row of a forward is conditioned on. Neither: the family's own unconditional row.
struct ConditionRequest {
  std::optional<std::string> prompt;
  std::optional<int64_t> label;
};

// The same with the prompt as token ids. A plain value.
struct TokenizedCondition {
  std::vector<Tokens> tokens;    // the prompt as each of the family's tokenizers reads it; none: no text
  std::optional<int64_t> label;  // absent: the null class, where the family has classes

  bool has_text() const { return !tokens.empty(); }
  int tokens_cut() const;  // the most that any tokenizer cut
};

struct EncodedCondition {
  Conditioning row;        // B = 1; shared with other callers, so never to be written to
  bool cache_hit = false;  // the text came out of the cache of encoded prompts
};

// Immutable but for a cache with a lock of its own; every method may be called from several threads at once.
class Conditioner {
 public:
  virtual ~Conditioner() = default;
  virtual bool takes_prompt() const { return false; }
  virtual bool takes_class() const { return num_classes() > 0; }
  virtual bool can_be_unconditional() const { return true; }
  virtual int64_t num_classes() const { return 0; }
  // With start and end token; of several tokenizers the one that takes the most. 0: takes no prompt.
  virtual int64_t max_prompt_tokens() const { return 0; }

  // Cheap, on the CPU. InvalidArgument, beginning with the field's name in GenerationSpec (`prompt`,
  // `class_label`), for what this family does not take or a class out of range.
  virtual absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const = 0;
  // Runs the text encoder where there is one. All rows of one conditioner have the same tensors defined, of
  // the same sizes. REQUIRES: `condition` comes from this conditioner's Tokenize.
  virtual EncodedCondition Encode(const TokenizedCondition& condition) const = 0;
};

// Nothing is asked for and no tensor defined: the book's DiT.
std::unique_ptr<Conditioner> MakeUnconditional();

// A class of num_classes or, without one, the null class, which is num_classes itself: the book's
// ConditionalDiT.
std::unique_ptr<Conditioner> MakeClassConditioner(int64_t num_classes, c10::Device device);

// A prompt: `text` is the encoder's hidden states, `text_mask` the tokenizer's mask. Without a prompt: the
// prompt "". The book's TextConditionalDiT. InvalidArgument where the tokenizer gives more ids, or longer
// prompts, than the encoder takes.
absl::StatusOr<std::unique_ptr<Conditioner>> MakeTextConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                 std::unique_ptr<TextEncoder> encoder,
                                                                 MaskToEncoder mask_to_encoder);

// EaselDiT's: prompt, class, both or neither. A row without a prompt has an empty mask and zeros for text and
// pooled, one without a class the null class, which is num_classes (so 0 where there are no classes).
// Tokenizer and encoder are both null for a network without text: then no row has any. Errors as above.
absl::StatusOr<std::unique_ptr<Conditioner>> MakeEaselConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                  std::unique_ptr<TextEncoder> encoder,
                                                                  int64_t num_classes, c10::Device device);

}  // namespace easel

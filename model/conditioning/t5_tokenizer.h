// T5's tokenizer, as transformers' T5Tokenizer:
//
//   added tokens split off ─► charsmap ─► cut at white space ─► ▁ before each word ─► cut before each ▁ ─►
//   unigram model ─► … </s>
//
// An added token marked `normalized` is looked for after the charsmap, the others (T5 has no other) before
// everything, so that </s> or <extra_id_5> spelled out in a text is that token.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/conditioning/precompiled_charsmap.h"
#include "model/conditioning/t5_tokenizer_files.h"
#include "model/conditioning/tokenizer.h"
#include "model/conditioning/unigram.h"

namespace easel {

class T5Tokenizer : public Tokenizer {
 public:
  // Reads `directory`: tokenizer.json, else spiece.model; beside them tokenizer_config.json and others where
  // present (t5_tokenizer_files.h). `max_length`: the pipeline's, whatever model_max_length says; at least 1.
  // Errors name the file and the key.
  static absl::StatusOr<std::unique_ptr<T5Tokenizer>> Load(const std::string& directory, int64_t max_length);

  Tokens Tokenize(std::string_view text) const override;
  int64_t max_length() const override { return max_length_; }
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  // An added token, its text as code points.
  struct Pattern {
    std::u32string text;
    bool lstrip, rstrip;
    int64_t id;
  };
  using Patterns = std::vector<Pattern>;  // the longest first

  T5Tokenizer(const T5TokenizerFiles& files, PrecompiledCharsmap charsmap, Unigram unigram,
              int64_t max_length);
  void AppendWords(std::u32string_view normalized, std::vector<int64_t>* ids) const;

  PrecompiledCharsmap charsmap_;
  Unigram unigram_;
  Patterns raw_tokens_, normalized_tokens_;
  int64_t end_, padding_, max_length_, vocab_size_;
};

}  // namespace easel

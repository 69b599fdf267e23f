// CLIP's tokenizer, as transformers' CLIPTokenizer:
//
//   special tokens split off ─► NFC ─► white space to one blank ─► lower case ─► words ─► byte-level BPE ─►
//   start … end
//
// A special token marked `normalized` (as OpenAI's files mark theirs) is looked for after lower-casing, the
// others before everything.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/conditioning/byte_level_bpe.h"
#include "model/conditioning/clip_tokenizer_files.h"
#include "model/conditioning/tokenizer.h"

namespace easel {

// The words that CLIP cuts text into, as UTF-8, special tokens not looked for: what byte-level BPE is trained
// on.
std::vector<std::string> ClipWords(std::string_view text);

class ClipTokenizer : public Tokenizer {
 public:
  // Reads `directory`: tokenizer.json, else vocab.json and merges.txt; beside them tokenizer_config.json and
  // special_tokens_map.json where present. max_length is model_max_length, 77 where that is absent or without
  // limit; the padding token is <|endoftext|> unless named. Errors name the file and the key or token.
  static absl::StatusOr<std::unique_ptr<ClipTokenizer>> Load(const std::string& directory);

  Tokens Tokenize(std::string_view text) const override;
  int64_t max_length() const override { return max_length_; }
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  // A special token's text as code points; the longest first.
  using Patterns = std::vector<std::pair<std::u32string, int64_t>>;

  ClipTokenizer(const ClipTokenizerFiles& files, ByteLevelBpe bpe);
  void AppendIds(std::u32string_view text, std::vector<int64_t>* ids) const;

  ByteLevelBpe bpe_;
  Patterns raw_tokens_, normalized_tokens_;
  int64_t start_, end_, padding_, max_length_, vocab_size_;
};

}  // namespace easel

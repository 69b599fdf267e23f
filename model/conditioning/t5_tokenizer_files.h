// What the files of a T5 tokenizer's directory say, whichever of their two forms they come in.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

// A token that is found in the text before the model sees it.
struct AddedToken {
  std::string text;
  bool normalized = false;              // looked for in normalized text; else in the text as it came
  bool lstrip = false, rstrip = false;  // takes the white space on its left, on its right, with it
  int64_t id = -1;

  bool operator==(const AddedToken&) const = default;
};

struct T5TokenizerFiles {
  std::string vocabulary_path;                         // for errors
  std::vector<std::pair<std::string, double>> pieces;  // and their scores, by id
  std::string precompiled_charsmap;                    // precompiled_charsmap.h; may be empty
  std::vector<AddedToken> added_tokens;                // each text once
  int64_t end, padding;                                // ids
  int64_t vocab_size;                                  // every id is below
};

// Reads `directory` as transformers 5 does for the class T5Tokenizer:
//   pieces: tokenizer.json, else spiece.model, whose pieces <extra_id_99> … <extra_id_0> follow (extra_ids of
//     tokenizer_config.json, 100 unless it says otherwise);
//   added tokens: added_tokens_decoder of tokenizer_config.json, else added_tokens.json and tokenizer.json's;
//     the tokens with a role (eos_token …), of tokenizer_config.json and, without that decoder, of
//     special_tokens_map.json; the extra special tokens. Their ids are the vocabulary's, and new ones where
//     it lacks them, whatever number a file gives them.
// What tokenizer.json says of pre-tokenizer, post-processor and unk_id does not count, there as here. Errors
// name file and key; so do refusals of what would change the ids and is not implemented.
absl::StatusOr<T5TokenizerFiles> ReadT5TokenizerFiles(const std::string& directory);

}  // namespace easel

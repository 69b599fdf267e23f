// What the files of a CLIP tokenizer's directory say, whichever of their two forms they come in.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

struct SpecialToken {
  std::string text;
  int64_t id;
  bool normalized;  // looked for in normalized text; else in the text as it came
};

struct ClipTokenizerFiles {
  std::unordered_map<std::string, int64_t> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  // in the order learnt
  std::string merges_path;                                  // for errors
  std::vector<SpecialToken> special_tokens;
  int64_t start, end, unknown, padding;  // ids
  int64_t max_length;
  int64_t vocab_size;  // every id is below
};

// Reads tokenizer.json, else vocab.json and merges.txt; then tokenizer_config.json and
// special_tokens_map.json where present. Errors name the file and the key or token.
absl::StatusOr<ClipTokenizerFiles> ReadClipTokenizerFiles(const std::string& directory);

}  // namespace easel

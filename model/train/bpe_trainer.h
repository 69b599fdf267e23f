// Learns a vocabulary for ClipTokenizer from text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace easel {

// Writes vocab.json, merges.txt and tokenizer_config.json into `directory` (made when absent), for
// ClipTokenizer and for transformers' CLIPTokenizer. The vocabulary has exactly `vocab_size` tokens, laid out
// as CLIP's: 256 bytes, the same at a word's end, the merges, <|startoftext|>, <|endoftext|>. The most
// frequent pair of neighbours in `lines` is merged first, of equals the one of the smallest ids: the same
// lines in any order give the same files. InvalidArgument where `lines` have too few different pairs for that
// size, or vocab_size < 514.
absl::Status TrainBpe(const std::vector<std::string>& lines, int64_t vocab_size, int64_t max_length,
                      const std::string& directory);

}  // namespace easel

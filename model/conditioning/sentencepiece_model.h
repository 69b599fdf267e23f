// spiece.model, the file of a SentencePiece model: what T5's tokenizer needs of it. It is a protocol buffer
// (ModelProto of sentencepiece_model.proto), read here without that library.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

struct SentencePieceModel {
  struct Piece {
    std::string text;  // UTF-8
    float score = 0;
    bool is_control = false;       // such as </s>
    bool is_user_defined = false;  // always a token by itself
  };
  std::vector<Piece> pieces;         // by id
  std::string precompiled_charsmap;  // precompiled_charsmap.h; may be empty
};

// Errors name the file and the field. A model that is no unigram model, or that falls back to bytes, is
// refused.
absl::StatusOr<SentencePieceModel> ReadSentencePieceModel(const std::string& path);

}  // namespace easel

// Writes the bytes of a spiece.model, one field after the other.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace easel {

inline std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
inline std::string NumberField(int number, uint64_t value) { return Varint(number << 3) + Varint(value); }
inline std::string BytesField(int number, const std::string& bytes) {
  return Varint(number << 3 | 2) + Varint(bytes.size()) + bytes;
}
inline std::string FloatField(int number, float value) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);  // the test's machine is little-endian
  return Varint(number << 3 | 5) + std::string(bytes, 4);
}

// Types of pieces in sentencepiece_model.proto.
enum PieceType { kNormalPiece = 1, kUnknownPiece = 2, kControlPiece = 3, kUserDefinedPiece = 4 };

inline std::string PieceField(const std::string& text, PieceType type, float score) {
  return BytesField(1, BytesField(1, text) + FloatField(2, score) + NumberField(3, type));
}

// <pad>, </s>, <unk>, ▁, a, b, ▁ab, and then `user_defined`.
inline std::string SmallSpiece(const std::vector<std::string>& user_defined = {},
                               const std::string& charsmap = "") {
  std::string model = PieceField("<pad>", kControlPiece, 0) + PieceField("</s>", kControlPiece, 0) +
                      PieceField("<unk>", kUnknownPiece, 0) + PieceField("▁", kNormalPiece, -2) +
                      PieceField("a", kNormalPiece, -1) + PieceField("b", kNormalPiece, -1.5) +
                      PieceField("▁ab", kNormalPiece, -3);
  for (const std::string& text : user_defined) model += PieceField(text, kUserDefinedPiece, 0);
  model += BytesField(2, NumberField(3, 1));  // a unigram model
  return model + BytesField(3, BytesField(1, "nmt_nfkc") + BytesField(2, charsmap));
}

}  // namespace easel

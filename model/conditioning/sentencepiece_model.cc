#include "model/conditioning/sentencepiece_model.h"

#include <cstdint>
#include <cstring>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "model/conditioning/unicode_text.h"
#include "model/io/file.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr size_t kMaxFileBytes = 64 << 20;  // T5's has 0.8 MB

enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Of sentencepiece_model.proto.
enum ModelField { kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3 };
enum PieceField { kPiece = 1, kScore = 2, kType = 3 };
enum TrainerField { kModelType = 3, kByteFallback = 35 };
enum NormalizerField { kPrecompiledCharsmap = 2 };
constexpr uint64_t kControl = 3, kUserDefined = 4;  // types of pieces
constexpr uint64_t kUnigram = 1;                    // type of the model

struct Field {
  uint64_t number;
  int type;                // a WireType
  uint64_t value = 0;      // of the numeric types: the bits
  std::string_view bytes;  // of kBytes

  bool Is(int wanted_number, WireType wanted_type) const {
    return number == static_cast<uint64_t>(wanted_number) && type == wanted_type;
  }
};

// The fields of one message, one after the other.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}

  bool done() const { return rest_.empty(); }
  // REQUIRES: !done().
  absl::StatusOr<Field> Next() {
    Field field;
    EASEL_ASSIGN_OR_RETURN(const uint64_t tag, Varint());
    field.number = tag >> 3;
    field.type = tag & 7;
    if (field.number == 0 || tag >> 32 != 0) return absl::InvalidArgumentError("a field without a number");
    if (field.type == kVarint) {
      EASEL_ASSIGN_OR_RETURN(field.value, Varint());
      return field;
    }
    uint64_t size = 0;
    if (field.type == kBytes) {
      EASEL_ASSIGN_OR_RETURN(size, Varint());
    } else if (field.type == kFixed32 || field.type == kFixed64) {
      size = field.type == kFixed32 ? 4 : 8;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("field ", field.number, " has the unknown wire type ", field.type));
    }
    if (size > rest_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("field ", field.number, " has ", size,
                                                     " bytes, but only ", rest_.size(), " are left"));
    }
    field.bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (field.type == kBytes) return field;
    for (size_t i = size; i > 0; --i)
      field.value = field.value << 8 | static_cast<uint8_t>(field.bytes[i - 1]);
    return field;
  }

 private:
  absl::StatusOr<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const uint8_t byte = rest_[0];
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return absl::InvalidArgumentError(rest_.empty() ? "ends within a number" : "a number of too many bytes");
  }

  std::string_view rest_;
};

absl::Status Within(const std::string& where, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", status.message()));
}

// Calls read(field) → Status for each field of `message`; `where` begins its errors.
template <class Read>
absl::Status ForEachField(const std::string& where, std::string_view message, Read read) {
  FieldReader reader(message);
  while (!reader.done()) {
    absl::StatusOr<Field> field = reader.Next();
    if (!field.ok()) return Within(where, field.status());
    EASEL_RETURN_IF_ERROR(read(*field));
  }
  return absl::OkStatus();
}

absl::StatusOr<SentencePieceModel::Piece> ReadPiece(const std::string& where, std::string_view message) {
  SentencePieceModel::Piece piece;
  EASEL_RETURN_IF_ERROR(ForEachField(where, message, [&](const Field& field) {
    if (field.Is(kPiece, kBytes)) {
      piece.text = field.bytes;
    } else if (field.Is(kScore, kFixed32)) {
      const uint32_t bits = static_cast<uint32_t>(field.value);
      std::memcpy(&piece.score, &bits, sizeof(bits));
    } else if (field.Is(kType, kVarint)) {
      piece.is_control = field.value == kControl;
      piece.is_user_defined = field.value == kUserDefined;
    }
    return absl::OkStatus();
  }));
  if (EncodeUtf8(DecodeUtf8(piece.text)) != piece.text) {
    return absl::InvalidArgumentError(absl::StrCat(where, ".piece: is not UTF-8"));
  }
  return piece;
}

absl::Status CheckTrainer(const std::string& where, std::string_view message) {
  return ForEachField(where, message, [&](const Field& field) {
    if (field.Is(kModelType, kVarint) && field.value != kUnigram) {
      return absl::InvalidArgumentError(absl::StrCat(where, ".model_type: is ", field.value,
                                                     ", where T5 has ", kUnigram, ", a unigram model"));
    }
    if (field.Is(kByteFallback, kVarint) && field.value != 0) {
      return absl::InvalidArgumentError(absl::StrCat(where, ".byte_fallback: true is not supported"));
    }
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<SentencePieceModel> ReadSentencePieceModel(const std::string& path) {
  EASEL_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxFileBytes));
  SentencePieceModel model;
  EASEL_RETURN_IF_ERROR(ForEachField(path, bytes, [&](const Field& field) -> absl::Status {
    if (field.Is(kPieces, kBytes)) {
      const std::string where = absl::StrCat(path, ": pieces[", model.pieces.size(), "]");
      EASEL_ASSIGN_OR_RETURN(SentencePieceModel::Piece piece, ReadPiece(where, field.bytes));
      model.pieces.push_back(std::move(piece));
    } else if (field.Is(kTrainerSpec, kBytes)) {
      return CheckTrainer(absl::StrCat(path, ": trainer_spec"), field.bytes);
    } else if (field.Is(kNormalizerSpec, kBytes)) {
      return ForEachField(absl::StrCat(path, ": normalizer_spec"), field.bytes, [&](const Field& inner) {
        if (inner.Is(kPrecompiledCharsmap, kBytes)) model.precompiled_charsmap = inner.bytes;
        return absl::OkStatus();
      });
    }
    return absl::OkStatus();
  }));
  if (model.pieces.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": pieces: are missing"));
  return model;
}

}  // namespace easel

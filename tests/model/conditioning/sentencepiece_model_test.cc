// spiece.model's wire format: what is read, what is passed over, what is refused by name.
#include "model/conditioning/sentencepiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/model/conditioning/spiece_writer.h"
#include "tests/model/io/temporary_directory.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<SentencePieceModel> Read(const std::string& bytes) {
  TemporaryDirectory directory;
  return ReadSentencePieceModel(directory.Write("spiece.model", bytes));
}

std::string Fault(const std::string& bytes) {
  const auto model = Read(bytes);
  return model.ok() ? "no fault" : std::string(model.status().message());
}

TEST(SentencePieceModel, ReadsPiecesAndCharsmap) {
  const auto model = Read(SmallSpiece({"<x>"}, "map"));
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->pieces.size(), 8);
  EXPECT_EQ(model->pieces[3].text, "▁");
  EXPECT_EQ(model->pieces[5].score, -1.5f);
  EXPECT_TRUE(model->pieces[1].is_control);
  EXPECT_FALSE(model->pieces[2].is_control);
  EXPECT_TRUE(model->pieces[7].is_user_defined);
  EXPECT_EQ(model->precompiled_charsmap, "map");
}

TEST(SentencePieceModel, PassesOverUnknownFields) {
  const std::string unknown = NumberField(200, 1ull << 63) + BytesField(201, "x") + FloatField(202, 1) +
                              Varint(203 << 3 | 1) + std::string(8, 'x');
  const auto model =
      Read(unknown + BytesField(1, unknown + BytesField(1, "a")) + NumberField(1, 5) + unknown);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->pieces.size(), 1);  // a number is no piece
  EXPECT_EQ(model->pieces[0].text, "a");
  EXPECT_EQ(model->pieces[0].score, 0);
}

TEST(SentencePieceModel, NamesTheFault) {
  const std::string piece = PieceField("a", kNormalPiece, 0);
  EXPECT_THAT(Fault(""), HasSubstr("spiece.model: pieces: are missing"));
  EXPECT_THAT(Fault(piece + BytesField(1, BytesField(1, "\xff"))),
              HasSubstr("pieces[1].piece: is not UTF-8"));
  EXPECT_THAT(Fault(piece + BytesField(1, "\x0a\x05")), HasSubstr("pieces[1]: field 1 has 5 bytes"));
  EXPECT_THAT(Fault(piece + BytesField(2, NumberField(3, 2))), HasSubstr("trainer_spec.model_type: is 2"));
  EXPECT_THAT(Fault(piece + BytesField(2, NumberField(35, 1))), HasSubstr("trainer_spec.byte_fallback"));
  EXPECT_THAT(Fault(piece + BytesField(3, "\x80")), HasSubstr("normalizer_spec: ends within a number"));
  EXPECT_THAT(Fault(piece + std::string(11, '\xff')), HasSubstr("a number of too many bytes"));
  EXPECT_THAT(Fault(piece + std::string(1, '\0')), HasSubstr("a field without a number"));
  EXPECT_THAT(Fault(piece + "\x0b"), HasSubstr("field 1 has the unknown wire type 3"));
  EXPECT_THAT(Fault(piece + "\x0d\x01"), HasSubstr("field 1 has 4 bytes, but only 1"));
  EXPECT_THAT(Fault(piece + BytesField(1, "").substr(0, 1) + std::string(9, '\xff') + "\x01"),
              HasSubstr("bytes, but only"));
}

}  // namespace
}  // namespace easel

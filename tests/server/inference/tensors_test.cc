#include "server/inference/tensors.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Tensor = inference::ModelInferRequest::InferInputTensor;

Tensor TensorOf(const std::string& text) {
  Tensor tensor;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &tensor)) << text;
  return tensor;
}

Tensor Shaped(Datatype datatype, const std::string& shape = "shape: 1") {
  return TensorOf(absl::StrCat("name: 'X' datatype: '", std::string(NameOf(datatype)), "' ", shape));
}

// What is wrong, as `NAME: …`; empty when nothing is.
std::string Wrong(const Tensor& tensor, Datatype datatype, const std::string* raw = nullptr) {
  FieldViolation violation;
  const bool good = ReadElement(tensor, {"X", datatype}, raw, &violation).has_value();
  EXPECT_EQ(good, violation.description.empty());
  return good ? "" : absl::StrCat(violation.field, ": ", violation.description);
}

template <typename T>
std::optional<T> FromRaw(Datatype datatype, const std::string& raw) {
  FieldViolation violation;
  const auto element = ReadElement(Shaped(datatype), {"X", datatype}, &raw, &violation);
  return element.has_value() ? std::optional<T>(std::get<T>(*element)) : std::nullopt;
}

template <typename T>
T Typed(Datatype datatype, const std::string& contents) {
  Tensor tensor = Shaped(datatype);
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(contents, tensor.mutable_contents()));
  FieldViolation violation;
  const auto element = ReadElement(tensor, {"X", datatype}, nullptr, &violation);
  EXPECT_TRUE(element.has_value()) << violation.description;
  return std::get<T>(element.value());
}

TEST(TensorsTest, RawContentsAreLittleEndian) {
  EXPECT_EQ(FromRaw<int32_t>(Datatype::kInt32, std::string("\xfe\xff\xff\xff", 4)), -2);
  EXPECT_EQ(FromRaw<int64_t>(Datatype::kInt64, std::string("\x01\x02\0\0\0\0\0\0", 8)), 0x201);
  EXPECT_EQ(FromRaw<uint64_t>(Datatype::kUint64, std::string(8, '\xff')), ~uint64_t{0});
  EXPECT_EQ(FromRaw<float>(Datatype::kFp32, std::string("\0\0\x60\x40", 4)), 3.5f);
  EXPECT_EQ(FromRaw<std::string>(Datatype::kBytes, std::string("\x03\0\0\0red", 7)), "red");
  EXPECT_EQ(FromRaw<std::string>(Datatype::kBytes, std::string("\0\0\0\0", 4)), "");
}

TEST(TensorsTest, TypedContentsAreInTheListOfTheDatatype) {
  EXPECT_EQ(Typed<int32_t>(Datatype::kInt32, "int_contents: -2"), -2);
  EXPECT_EQ(Typed<int64_t>(Datatype::kInt64, "int64_contents: 513"), 513);
  EXPECT_EQ(Typed<uint64_t>(Datatype::kUint64, "uint64_contents: 18446744073709551615"), ~uint64_t{0});
  EXPECT_EQ(Typed<float>(Datatype::kFp32, "fp32_contents: 3.5"), 3.5f);
  EXPECT_EQ(Typed<std::string>(Datatype::kBytes, "bytes_contents: 'red'"), "red");
}

TEST(TensorsTest, ABatchOfOneIsTakenToo) {
  const std::string raw(4, '\0');
  EXPECT_EQ(Wrong(Shaped(Datatype::kInt32, "shape: 1 shape: 1"), Datatype::kInt32, &raw), "");
}

TEST(TensorsTest, AWrongShapeIsNamed) {
  const std::string raw(4, '\0');
  for (const auto& [shape, given] :
       std::vector<std::pair<std::string, std::string>>{{"", "[]"},
                                                        {"shape: 2", "[2]"},
                                                        {"shape: 0", "[0]"},
                                                        {"shape: -1", "[-1]"},
                                                        {"shape: 1 shape: 2", "[1, 2]"},
                                                        {"shape: 2 shape: 1", "[2, 1]"},
                                                        {"shape: 1 shape: 1 shape: 1", "[1, 1, 1]"}}) {
    EXPECT_EQ(Wrong(Shaped(Datatype::kInt32, shape), Datatype::kInt32, &raw),
              absl::StrCat("X: shape ", given, " given; allowed: [1], [1, 1]"));
  }
}

TEST(TensorsTest, AWrongDatatypeIsNamed) {
  const std::string raw(8, '\0');
  EXPECT_EQ(Wrong(Shaped(Datatype::kInt64), Datatype::kInt32, &raw),
            "X: datatype 'INT64' given; allowed: INT32");
}

TEST(TensorsTest, AWrongByteCountIsNamed) {
  for (const Datatype datatype : {Datatype::kInt32, Datatype::kInt64, Datatype::kUint64, Datatype::kFp32}) {
    for (const size_t bytes : {0, 3, 5, 7, 9, 1000}) {
      const std::string raw(bytes, '\0');
      EXPECT_THAT(Wrong(Shaped(datatype), datatype, &raw),
                  HasSubstr(absl::StrCat("X: ", bytes, " bytes of raw contents given")));
    }
  }
}

TEST(TensorsTest, ALengthThatIsNotTheTextsIsNamed) {
  for (const std::string& raw : {std::string(), std::string("\x01\0\0", 3), std::string("\x03\0\0\0re", 6),
                                 std::string("\x03\0\0\0red!", 8), std::string("\xff\xff\xff\xffred", 7),
                                 std::string("\x03\0\0\0red\x03\0\0\0red", 14)}) {
    EXPECT_THAT(Wrong(Shaped(Datatype::kBytes), Datatype::kBytes, &raw), HasSubstr("allowed: one element"));
  }
}

TEST(TensorsTest, TextThatIsNotUtf8IsNamed) {
  const std::string raw("\x02\0\0\0\xc3\x28", 6);
  EXPECT_EQ(Wrong(Shaped(Datatype::kBytes), Datatype::kBytes, &raw), "X: the text given is not valid UTF-8");
}

TEST(TensorsTest, TypedContentsInAnotherListOrTooManyAreNamed) {
  for (const char* contents : {"", "int64_contents: 1", "int_contents: 1 int_contents: 2",
                               "int_contents: 1 fp32_contents: 2", "bytes_contents: 'x'"}) {
    Tensor tensor = Shaped(Datatype::kInt32);
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(contents, tensor.mutable_contents()));
    EXPECT_THAT(Wrong(tensor, Datatype::kInt32), HasSubstr("allowed: 1 there alone")) << contents;
  }
}

TEST(TensorsTest, SharedMemoryIsRefusedByName) {
  Tensor tensor = Shaped(Datatype::kInt32);
  (*tensor.mutable_parameters())["shared_memory_region"].set_string_param("r");
  EXPECT_THAT(Wrong(tensor, Datatype::kInt32), HasSubstr("'shared_memory_region'"));
}

TEST(TensorsTest, OutputsHaveTheirShapesAndBytes) {
  inference::ModelInferResponse response;
  AddBytes("B", {"ab", ""}, &response);
  AddInt32("I", {-1, 2}, &response);
  AddUint64("U", {3}, &response);
  AddUint8("P", {1, 1, 2, 3}, "rgbrgb", &response);
  std::vector<std::string> told;
  for (int i = 0; i < response.outputs_size(); ++i) {
    const auto& output = response.outputs(i);
    told.push_back(absl::StrCat(output.name(), " ", output.datatype(), " ", output.shape_size(),
                                " dimensions, ", output.shape(0), " first, ",
                                response.raw_output_contents(i).size(), " bytes"));
  }
  EXPECT_THAT(
      told, ElementsAre("B BYTES 1 dimensions, 2 first, 10 bytes", "I INT32 1 dimensions, 2 first, 8 bytes",
                        "U UINT64 1 dimensions, 1 first, 8 bytes", "P UINT8 4 dimensions, 1 first, 6 bytes"));
  EXPECT_EQ(response.raw_output_contents(0), std::string("\x02\0\0\0ab\0\0\0\0", 10));
  EXPECT_EQ(response.raw_output_contents(1), std::string("\xff\xff\xff\xff\x02\0\0\0", 8));
}

}  // namespace
}  // namespace easel

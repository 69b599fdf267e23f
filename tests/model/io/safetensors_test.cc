#include "model/io/safetensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/model/io/temporary_directory.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A file of this header and so many bytes of zeros.
std::string FileOf(const std::string& header, size_t data_size) {
  const uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + std::string(data_size, '\0');
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

std::string OpenError(const TemporaryDirectory& directory, const std::string& bytes) {
  auto file = SafetensorsFile::Open(directory.Write("bad.safetensors", bytes));
  return file.ok() ? "opened" : Message(file.status());
}

TEST(SafetensorsFile, ReadsWhatThePythonPackageWrote) {
  const GoldenTensors file = LoadGolden("files/python.safetensors");
  EXPECT_THAT(file->names(), ElementsAre("bf16", "bool", "empty", "f16", "f32", "f64", "i16", "i32", "i64",
                                         "i8", "scalar", "u8"));
  const at::Tensor expected = at::tensor({0, 1, 2, 3, 4, 100}).view({2, 3});
  const std::pair<const char*, at::ScalarType> dtypes[] = {
      {"f64", at::kDouble},    {"f32", at::kFloat}, {"f16", at::kHalf},
      {"bf16", at::kBFloat16}, {"i64", at::kLong},  {"i32", at::kInt},
      {"i16", at::kShort},     {"i8", at::kChar},   {"u8", at::kByte}};
  for (const auto& [name, dtype] : dtypes)
    EXPECT_TRUE(SameBytes(file->Get(name), expected.to(dtype))) << name;
  EXPECT_TRUE(SameBytes(file->Get("bool"), at::tensor({1, 0, 1}).to(at::kBool)));
  EXPECT_TRUE(SameBytes(file->Get("scalar"), at::scalar_tensor(-1.5f)));
  EXPECT_TRUE(SameBytes(file->Get("empty"), at::zeros({0, 4})));
  EXPECT_EQ(file->metadata().at("note"), "größe");
  EXPECT_FALSE(file->Has("__metadata__"));
}

TEST(SafetensorsFile, TensorsViewTheMappingAndOutliveTheFile) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("a.safetensors");
  const at::Tensor x = at::randn({64, 3});
  ASSERT_TRUE(WriteSafetensors(path, {{"x", x}}).ok());
  auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok());
  const at::Tensor first = (*file)->Get("x");
  const at::Tensor second = (*file)->Get("x");
  EXPECT_EQ(first.const_data_ptr(), second.const_data_ptr());
  file->reset();
  EXPECT_TRUE(SameBytes(first, x));
}

TEST(SafetensorsFile, CopiesATensorThatIsNotAligned) {
  TemporaryDirectory directory;
  std::string header = R"({"byte":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("x":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string bytes = FileOf(header, 9);
  const float values[] = {1.5f, -2.0f};
  std::memcpy(bytes.data() + bytes.size() - 8, values, 8);
  const auto file = SafetensorsFile::Open(directory.Write("a.safetensors", bytes));
  ASSERT_TRUE(file.ok()) << file.status();
  const at::Tensor x = (*file)->Get("x");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 4, 0);
  EXPECT_TRUE(SameBytes(x, at::tensor({1.5f, -2.0f})));
}

TEST(SafetensorsFile, AcceptsNoTensorsAndAPaddedHeader) {
  TemporaryDirectory directory;
  const auto file = SafetensorsFile::Open(directory.Write("a.safetensors", FileOf("{}      ", 0)));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT((*file)->names(), ElementsAre());
}

TEST(SafetensorsFile, SaysWhichFileIsAbsentOrNoFile) {
  TemporaryDirectory directory;
  const auto absent = SafetensorsFile::Open(directory.Path("absent.safetensors"));
  EXPECT_EQ(absent.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(absent.status()), HasSubstr("absent.safetensors"));
  EXPECT_THAT(Message(SafetensorsFile::Open(directory.path()).status()), HasSubstr("not a regular file"));
}

struct BadHeader {
  const char* header;
  size_t data_size;
  const char* error;
};

TEST(SafetensorsFile, NamesWhatIsWrongInAHeader) {
  TemporaryDirectory directory;
  const BadHeader cases[] = {
      {"", 0, "the header does not begin with {"},
      {R"( {})", 0, "the header does not begin with {"},
      {R"([])", 0, "the header does not begin with {"},
      {R"({"x":)", 0, "header: not JSON: parse error"},
      {R"({} x)", 0, "header: not JSON: parse error"},
      {"{\"\xff\":{}}", 0, "header: not JSON: parse error"},
      {R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "the key \"x\" appears twice"},
      {R"({"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1,
       "the key \"dtype\" appears twice"},
      {R"({"x":7})", 0, "tensor \"x\": expected an object, got 7"},
      {R"({"x":{"shape":[1],"data_offsets":[0,1]}})", 1, "tensor \"x\": no \"dtype\""},
      {R"({"x":{"dtype":"U8","data_offsets":[0,1]}})", 1, "tensor \"x\": no \"shape\""},
      {R"({"x":{"dtype":"U8","shape":[1]}})", 1, "tensor \"x\": no \"data_offsets\""},
      {R"({"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1,
       "tensor \"x\": unknown dtype \"F8_E4M3\""},
      {R"({"x":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1, "tensor \"x\": unknown dtype 3"},
      {R"({"x":{"dtype":"U8","shape":4,"data_offsets":[0,4]}})", 4,
       "tensor \"x\": expected an array as shape, got 4"},
      {R"({"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1,
       "tensor \"x\": shape [-1]: sizes are integers from 0"},
      {R"({"x":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1,
       "shape [1.5]: sizes are integers from 0"},
      {R"({"x":{"dtype":"U8","shape":[1e3],"data_offsets":[0,1000]}})", 1000, "sizes are integers from 0"},
      {R"({"x":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})", 1,
       "sizes are integers from 0"},
      {R"({"x":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "is larger than any memory"},
      {R"({"x":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0,
       "is larger than any memory"},
      {R"({"x":{"dtype":"U8","shape":[9223372036854775807,2,0],"data_offsets":[0,0]}})", 0,
       "is larger than any memory"},
      {R"({"x":{"dtype":"U8","shape":[0,9223372036854775807,2],"data_offsets":[0,0]}})", 0,
       "is larger than any memory"},
      {R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[1]}})", 1,
       "tensor \"x\": data_offsets [1]: expected [begin, end]"},
      {R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", 1,
       "data_offsets [-1,0]: expected [begin, end]"},
      {R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[2,1]}})", 2,
       "data_offsets [2,1]: expected [begin, end]"},
      {R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,12]}})", 12,
       "span 12 bytes, but F32 of shape [2,2] has 16"},
      {R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3,
       "ends at 4, but the file has only 3 bytes of data"},
      {R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5, "1 bytes follow the last tensor"},
      {R"({})", 1, "1 bytes follow the last tensor"},
      {R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3, "tensor \"x\": a hole before it"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
       5, "tensor \"b\": a hole before it"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "tensor \"b\": it overlaps another"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
       2, "tensor \"b\": it overlaps another"},
      {R"({"__metadata__":[]})", 0, "__metadata__: expected an object, got []"},
      {R"({"__metadata__":{"k":1}})", 0, "__metadata__: key \"k\": expected a string, got 1"},
  };
  for (const BadHeader& c : cases) {
    const std::string error = OpenError(directory, FileOf(c.header, c.data_size));
    EXPECT_THAT(error, HasSubstr(c.error)) << c.header;
    EXPECT_THAT(error, HasSubstr("bad.safetensors: ")) << c.header;
  }
}

TEST(SafetensorsFile, NamesWhatIsWrongWithLengths) {
  TemporaryDirectory directory;
  EXPECT_THAT(OpenError(directory, ""), HasSubstr("shorter than the 8 bytes"));
  EXPECT_THAT(OpenError(directory, "\2\0\0"), HasSubstr("shorter than the 8 bytes"));
  const std::string good = FileOf(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
  for (size_t size = 8; size < good.size(); ++size) {
    EXPECT_THAT(OpenError(directory, good.substr(0, size)), HasSubstr("truncated?")) << size;
  }
  EXPECT_EQ(OpenError(directory, good), "opened");
  std::string huge = good;
  huge[7] = '\x7f';
  EXPECT_THAT(OpenError(directory, huge), HasSubstr("at most 100000000 are read"));
  std::string wraps = good;
  std::memset(wraps.data(), 0xff, 8);
  EXPECT_THAT(OpenError(directory, wraps), HasSubstr("a header of 18446744073709551615 bytes"));
}

TEST(SafetensorsFile, NamesDeepJsonAndManyDimensions) {
  TemporaryDirectory directory;
  const std::string deep = "{\"x\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_THAT(OpenError(directory, FileOf(deep, 0)), HasSubstr("nested deeper than 64 levels"));
  std::string ones = "1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  EXPECT_THAT(OpenError(directory,
                        FileOf(R"({"x":{"dtype":"U8","shape":[)" + ones + R"(],"data_offsets":[0,1]}})", 1)),
              HasSubstr("tensor \"x\": 65 dimensions; at most 64"));
}

TEST(SafetensorsFile, NamesABoolThatIsNone) {
  TemporaryDirectory directory;
  std::string bytes = FileOf(R"({"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", 2);
  EXPECT_EQ(OpenError(directory, bytes), "opened");
  bytes.back() = 2;
  EXPECT_THAT(OpenError(directory, bytes), HasSubstr("tensor \"x\": a BOOL that is neither 0 nor 1"));
}

// Any single byte of a file changed or cut: the reader either refuses it or serves tensors that can be read
// through.
TEST(SafetensorsFile, SurvivesEveryFlippedByteOfAHeader) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("good.safetensors");
  ASSERT_TRUE(
      WriteSafetensors(path, {{"a", at::ones({2, 3})}, {"b", at::ones({5}, at::kBool)}}, {{"k", "v"}}).ok());
  const std::string good = ReadAll(path);
  int refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char flip : {'\x01', '\x10', '\x80'}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      const auto file = SafetensorsFile::Open(directory.Write("flipped.safetensors", bytes));
      refused += !file.ok();
      if (!file.ok()) continue;
      for (const std::string& name : (*file)->names()) (*file)->Get(name).to(at::kDouble).sum();
    }
  }
  EXPECT_GT(refused, 200);
}

TEST(WriteSafetensors, RoundTripsEveryDtypeAndLayout) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("a.safetensors");
  const NamedTensors tensors = {
      {"u8", at::arange(5, at::kByte)},
      {"f32", at::randn({3, 4})},
      {"transposed", at::randn({3, 4}).t()},
      {"f16", at::randn({3}).to(at::kHalf)},
      {"bf16", at::randn({2, 1, 2}).to(at::kBFloat16)},
      {"f64", at::randn({1}, at::kDouble)},
      {"i64", at::arange(-2, 2, at::kLong)},
      {"i32", at::arange(3, at::kInt)},
      {"i16", at::arange(3, at::kShort)},
      {"i8", at::arange(-3, 0, at::kChar)},
      {"bool", at::arange(3).gt(1)},
      {"scalar", at::scalar_tensor(3.25f)},
      {"empty", at::zeros({2, 0})},
      {"name with \"quotes\" and é", at::ones({1})},
  };
  ASSERT_TRUE(WriteSafetensors(path, tensors, {{"steps", "12"}, {"z", ""}}).ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->names().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor read = (*file)->Get(name);
    EXPECT_TRUE(SameBytes(read, tensor)) << name;
    EXPECT_TRUE(read.is_contiguous()) << name;
  }
  EXPECT_THAT((*file)->metadata(), ElementsAre(testing::Pair("steps", "12"), testing::Pair("z", "")));
}

TEST(WriteSafetensors, AlignsTheDataAndWritesTheSameBytesForAnyOrder) {
  TemporaryDirectory directory;
  const at::Tensor byte = at::ones({3}, at::kByte);
  const at::Tensor number = at::ones({2}, at::kDouble);
  ASSERT_TRUE(WriteSafetensors(directory.Path("a"), {{"a", byte}, {"b", number}}).ok());
  ASSERT_TRUE(WriteSafetensors(directory.Path("b"), {{"b", number}, {"a", byte}}).ok());
  const std::string bytes = ReadAll(directory.Path("a"));
  EXPECT_EQ(bytes, ReadAll(directory.Path("b")));
  uint64_t header_size;
  std::memcpy(&header_size, bytes.data(), 8);
  EXPECT_EQ(header_size % 8, 0);
  // The doubles come first, and so can be viewed: two reads give one address.
  const auto file = SafetensorsFile::Open(directory.Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Get("b").const_data_ptr(), (*file)->Get("b").const_data_ptr());
}

TEST(WriteSafetensors, RefusesWhatTheFormatCannotHold) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("a.safetensors");
  const at::Tensor x = at::ones({1});
  EXPECT_THAT(Message(WriteSafetensors(path, {{"x", x}, {"x", x}})), HasSubstr("the name \"x\" is taken"));
  EXPECT_THAT(Message(WriteSafetensors(path, {{"__metadata__", x}})), HasSubstr("\"__metadata__\" is taken"));
  EXPECT_THAT(Message(WriteSafetensors(path, {{"x", at::Tensor()}})), HasSubstr("tensor \"x\" is undefined"));
  EXPECT_THAT(Message(WriteSafetensors(path, {{"x", x.to(at::kComplexFloat)}})),
              HasSubstr("tensor \"x\": no dtype"));
  EXPECT_THAT(Message(WriteSafetensors(path, {{"\xff", x}})), HasSubstr("not UTF-8"));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(WriteSafetensors, LeavesTheOldFileWhenItCannotWrite) {
  TemporaryDirectory directory;
  const absl::Status status =
      WriteSafetensors(directory.Path("absent/a.safetensors"), {{"x", at::ones({1})}});
  EXPECT_THAT(Message(status), HasSubstr("absent/a.safetensors: cannot be written"));
  // A directory in the way makes the rename fail: nothing temporary may stay.
  std::filesystem::create_directories(directory.Path("taken/inside"));
  EXPECT_FALSE(WriteSafetensors(directory.Path("taken"), {{"x", at::ones({1})}}).ok());
  EXPECT_EQ(directory.Names(), std::vector<std::string>{"taken"});
}

// What a model may still be mapped from is replaced, not written over.
TEST(WriteSafetensors, ReplacesAFileThatIsMapped) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("a.safetensors");
  ASSERT_TRUE(WriteSafetensors(path, {{"x", at::ones({4})}}).ok());
  const at::Tensor old = SafetensorsFile::Open(path).value()->Get("x");
  ASSERT_TRUE(WriteSafetensors(path, {{"x", at::zeros({4})}}).ok());
  EXPECT_TRUE(SameBytes(old, at::ones({4})));
  EXPECT_TRUE(SameBytes(SafetensorsFile::Open(path).value()->Get("x"), at::zeros({4})));
}

}  // namespace
}  // namespace easel

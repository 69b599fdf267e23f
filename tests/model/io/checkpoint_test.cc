#include "model/io/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "model/io/safetensors.h"
#include "tests/model/io/temporary_directory.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// A directory of small weight files: each holds one value under "x", or the named tensors.
class Weighted : public TemporaryDirectory {
 public:
  void Add(const std::string& file, double value) const { Add(file, {{"x", at::full({2}, value)}}); }
  void Add(const std::string& file, const NamedTensors& tensors) const {
    const absl::Status status = WriteSafetensors(Path(file), tensors);
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }
  std::unique_ptr<Checkpoint> Open(c10::ScalarType dtype = at::kFloat) const {
    return Checkpoint::Open(path(), at::kCPU, dtype).value();
  }
  std::string OpenError() const { return Message(Checkpoint::Open(path(), at::kCPU, at::kFloat).status()); }
  double X() const { return Open()->Take("x", {2}, Init::kZeros)[0].item<double>(); }
};

TEST(Checkpoint, HandsOutTensorsAndFinishes) {
  Weighted directory;
  const at::Tensor weight = at::randn({3, 2});
  directory.Add("model.safetensors",
                {{"a.weight", weight}, {"a.bias", at::ones({3})}, {"scale", at::scalar_tensor(2.0f)}});
  auto checkpoint = directory.Open();
  const Weights a = Weights(checkpoint.get()) / "a";
  EXPECT_TRUE(a.Has("weight"));
  EXPECT_FALSE(a.Has("scale"));
  EXPECT_TRUE(SameBytes(a.Take("weight", {3, 2}, Init::kZeros), weight));
  EXPECT_TRUE(SameBytes(a.Take("weight", {3, 2}, Init::kZeros), weight));  // tied weights are taken twice
  a.Take("bias", {3}, Init::kZeros);
  checkpoint->Take("scale", {}, Init::kZeros);
  EXPECT_TRUE(checkpoint->Finish().ok()) << checkpoint->Finish();
}

TEST(Checkpoint, ConvertsFloatingTensorsOnlyAndOnlyWhenNeeded) {
  Weighted directory;
  directory.Add("model.safetensors", {{"half", at::full({2}, 0.1).to(at::kHalf)},
                                      {"float", at::ones({2})},
                                      {"ids", at::arange(3)},
                                      {"mask", at::ones({2}, at::kBool)}});
  auto checkpoint = directory.Open(at::kFloat);
  EXPECT_TRUE(SameBytes(checkpoint->Take("half", {2}, Init::kZeros),
                        at::full({2}, 0.1).to(at::kHalf).to(at::kFloat)));
  EXPECT_EQ(checkpoint->Take("ids", {3}, Init::kZeros).scalar_type(), at::kLong);
  EXPECT_EQ(checkpoint->Take("mask", {2}, Init::kZeros).scalar_type(), at::kBool);
  const at::Tensor first = checkpoint->Take("float", {2}, Init::kZeros);
  EXPECT_EQ(first.const_data_ptr(),
            checkpoint->Take("float", {2}, Init::kZeros).const_data_ptr());  // no copy
  checkpoint.reset();
  EXPECT_TRUE(SameBytes(first, at::ones({2})));
}

// Bytes of this process that are pages of files.
int64_t ResidentFileBytes() {
  std::ifstream status("/proc/self/status");
  int64_t sum = 0;
  for (std::string field; status >> field;) {
    if (int64_t kib; (field == "RssFile:" || field == "RssShmem:") && status >> kib) sum += kib * 1024;
  }
  return sum;
}

TEST(Checkpoint, OfItsFilesAtMostATensorStaysInMemory) {
  constexpr int64_t kNumbers = 8 << 20, kBytes = 4 * kNumbers;
  Weighted directory;
  directory.Add("model.safetensors", {{"a", at::full({kNumbers}, 2.0f)}, {"b", at::full({kNumbers}, 3.0f)}});
  const int64_t before = ResidentFileBytes();
  auto checkpoint = directory.Open();
  const at::Tensor a = checkpoint->Take("a", {kNumbers}, Init::kZeros);
  EXPECT_EQ(a.max().item<float>(), 2);
  EXPECT_GT(ResidentFileBytes() - before, kBytes * 3 / 4);  // else this test sees nothing
  EXPECT_EQ(checkpoint->Take("b", {kNumbers}, Init::kZeros).max().item<float>(), 3);
  EXPECT_LT(ResidentFileBytes() - before, kBytes * 5 / 4);
  checkpoint.reset();
  EXPECT_LT(ResidentFileBytes() - before, kBytes / 4);
  EXPECT_EQ(a.max().item<float>(), 2);  // read again
}

TEST(StoredDtype, IsThatOfMostNumbersAndNotOfWholeOnes) {
  Weighted directory;
  directory.Add("model.safetensors", {{"norm", at::ones({2})},
                                      {"weight", at::ones({3}, at::kBFloat16)},
                                      {"ids", at::arange(9)}});
  EXPECT_EQ(StoredDtype(directory.path()).value(), at::kBFloat16);
}

TEST(StoredDtype, NamesTheDirectoryWithoutAny) {
  Weighted directory;
  EXPECT_THAT(Message(StoredDtype(directory.path()).status()), HasSubstr(directory.path() + ": no weights"));
  directory.Add("model.safetensors", {{"ids", at::arange(9)}});
  EXPECT_THAT(Message(StoredDtype(directory.path()).status()),
              AllOf(HasSubstr(directory.path()), HasSubstr("no floating-point")));
}

TEST(Checkpoint, FinishNamesMissingMisshapenAndUnexpected) {
  Weighted directory;
  directory.Add("model.safetensors",
                {{"good", at::ones({1})}, {"wide", at::ones({2, 3})}, {"extra", at::ones({1})}});
  auto checkpoint = directory.Open();
  checkpoint->Take("good", {1}, Init::kZeros);
  EXPECT_TRUE(at::equal(checkpoint->Take("wide", {2, 4}, Init::kOnes), at::zeros({2, 4})));
  EXPECT_TRUE(at::equal(checkpoint->Take("gone", {3}, Init::kOnes), at::zeros({3})));
  const std::string error = Message(checkpoint->Finish());
  EXPECT_EQ(error, directory.path() +
                       ": model.safetensors: tensors missing (1): \"gone\"; of another shape (1): "
                       "\"wide\" is [2, 3], wanted [2, 4]; unexpected (1): \"extra\"");
}

TEST(Checkpoint, FinishNamesTheFirstFewOfMany) {
  Weighted directory;
  directory.Add("model.safetensors", NamedTensors{});
  auto checkpoint = directory.Open();
  for (int i = 0; i < 7; ++i) checkpoint->Take("block." + std::to_string(i), {1}, Init::kZeros);
  const std::string error = Message(checkpoint->Finish());
  EXPECT_THAT(error, AllOf(HasSubstr("missing (7): \"block.0\""), HasSubstr("\"block.4\", …"),
                           Not(HasSubstr("block.5"))));
}

TEST(Checkpoint, AConfigThatAsksForTheImpossibleCostsNoMemory) {
  Weighted directory;
  directory.Add("model.safetensors", 1);
  auto checkpoint = directory.Open();
  EXPECT_EQ(checkpoint->Take("huge", {1 << 24, 1 << 24}, Init::kZeros).size(0), 1 << 24);
  EXPECT_THAT(Message(checkpoint->Finish()), HasSubstr("missing (1): \"huge\""));
}

TEST(Checkpoint, IgnoredTensorsAreNotLeftOver) {
  Weighted directory;
  directory.Add("model.safetensors", {{"position_ids", at::arange(3)}, {"x", at::ones({1})}});
  auto checkpoint = directory.Open();
  checkpoint->Ignore("position_ids");
  checkpoint->Ignore("absent");
  EXPECT_THAT(Message(checkpoint->Finish()), HasSubstr("tensors unexpected (1): \"x\""));
}

TEST(Checkpoint, TakesThePlainFileAmongVariantsOrTheOnlyVariant) {
  Weighted directory;
  directory.Add("model.fp16.safetensors", 16);
  EXPECT_EQ(directory.X(), 16);
  directory.Add("model.safetensors", 32);
  EXPECT_EQ(directory.X(), 32);
}

TEST(Checkpoint, RefusesToGuess) {
  Weighted directory;
  directory.Add("model.fp16.safetensors", 1);
  directory.Add("model.non_ema.safetensors", 2);
  EXPECT_THAT(directory.OpenError(),
              HasSubstr("Keep one of model.fp16.safetensors, model.non_ema.safetensors"));
  directory.Add("model.safetensors", 3);
  directory.Add("diffusion_pytorch_model.safetensors", 4);
  EXPECT_THAT(directory.OpenError(),
              HasSubstr("Keep one of diffusion_pytorch_model.safetensors, model.safetensors"));
}

TEST(Checkpoint, SaysWhatIsExpectedWhereNothingIs) {
  Weighted directory;
  EXPECT_THAT(
      directory.OpenError(),
      AllOf(HasSubstr(directory.path()), HasSubstr("expected one *.safetensors"), Not(HasSubstr("pickle"))));
  directory.Write("pytorch_model.bin", "x");
  EXPECT_THAT(directory.OpenError(), HasSubstr("pytorch_model.bin: pickled weights are not read"));
  const absl::Status absent = Checkpoint::Open(directory.Path("absent"), at::kCPU, at::kFloat).status();
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(absent), HasSubstr("absent"));
}

TEST(Checkpoint, PassesOnTheFaultOfItsFile) {
  Weighted directory;
  directory.Write("model.safetensors", "short");
  EXPECT_THAT(directory.OpenError(), HasSubstr("model.safetensors: shorter than"));
}

constexpr char kShard1[] = "model-00001-of-00002.safetensors";
constexpr char kShard2[] = "model-00002-of-00002.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kGoodMap[] =
    R"({"metadata": {"total_size": 16}, "weight_map": {"a": "model-00001-of-00002.safetensors",)"
    R"( "b": "model-00002-of-00002.safetensors"}})";

class Sharded : public Weighted {
 public:
  Sharded() {
    Add(kShard1, {{"a", at::full({2}, 1.0)}});
    Add(kShard2, {{"b", at::full({2}, 2.0)}});
    Write(kIndex, kGoodMap);
  }
};

TEST(ShardedCheckpoint, ReadsAllShards) {
  Sharded directory;
  auto checkpoint = directory.Open();
  EXPECT_TRUE(SameBytes(checkpoint->Take("a", {2}, Init::kZeros), at::full({2}, 1.0)));
  EXPECT_THAT(Message(checkpoint->Finish()),
              HasSubstr(std::string(kShard1) + " and 1 more: tensors unexpected (1): \"b\""));
  EXPECT_TRUE(SameBytes(checkpoint->Take("b", {2}, Init::kZeros), at::full({2}, 2.0)));
  EXPECT_TRUE(checkpoint->Finish().ok());
}

TEST(ShardedCheckpoint, KnowsTheVariantsSpellings) {
  for (const auto& [shard, index] : std::vector<std::pair<std::string, std::string>>{
           {"model.fp16-00001-of-00001.safetensors", "model.safetensors.index.fp16.json"},
           {"model.fp16-00001-of-00001.safetensors", "model.fp16.safetensors.index.json"},
           {"model-00001-of-00001.fp16.safetensors", "model.safetensors.index.fp16.json"}}) {
    Weighted directory;
    directory.Add(shard, 16);
    directory.Write(index, R"({"weight_map": {"x": ")" + shard + R"("}})");
    EXPECT_EQ(directory.X(), 16) << shard << " " << index;
    directory.Add("model.safetensors", 32);
    EXPECT_EQ(directory.X(), 32) << shard << " " << index;
  }
}

TEST(ShardedCheckpoint, NamesWhatIsWrongInTheIndex) {
  const std::pair<std::string, const char*> cases[] = {
      {"[]", "expected an object, got []"},
      {"{}", "key \"weight_map\": missing"},
      {R"({"weight_map": 3})", "key \"weight_map\": expected an object, got 3"},
      {R"({"weight_map": {"a": 3}})", "key \"weight_map.a\": expected a string, got 3"},
      {R"({"weight_map": {"a": null}})", "key \"weight_map.a\": missing; expected a string"},
      {R"({"weight_map": {"a": "../outside.safetensors"}})",
       "expected the name of a *.safetensors in the same directory"},
      {R"({"weight_map": {"a": "/etc/outside.safetensors"}})", "expected the name of a *.safetensors"},
      {R"({"weight_map": {"a": "sub/x.safetensors"}})", "got \"sub/x.safetensors\""},
      {R"({"weight_map": {"a": ".."}})", "expected the name of a *.safetensors"},
      {R"({"weight_map": {"a": ""}})", "expected the name of a *.safetensors"},
      {R"({"weight_map": {"a": "model.bin"}})", "expected the name of a *.safetensors"},
      {R"({"weight_map": {"a": "model-00003-of-00002.safetensors"}})",
       "model-00003-of-00002.safetensors: cannot be opened"},
      {R"({"weight_map": {"a": "model-00002-of-00002.safetensors"}})",
       "key \"weight_map.a\": no such tensor in model-00002-of-00002.safetensors"},
      {R"({"weight_map": {"a": "model-00001-of-00002.safetensors", "a": "model-00001-of-00002.safetensors"}})",
       "the key \"a\" appears twice"},
  };
  Sharded directory;
  directory.Write("sub/x.safetensors", "");
  for (const auto& [index, error] : cases) {
    directory.Write(kIndex, index);
    EXPECT_THAT(directory.OpenError(), HasSubstr(error)) << index;
  }
}

TEST(ShardedCheckpoint, NamesATensorThatTheIndexLacksOrPutsElsewhere) {
  Sharded directory;
  directory.Add(kShard2, {{"b", at::ones({2})}, {"c", at::ones({2})}});
  EXPECT_THAT(directory.OpenError(),
              HasSubstr("tensor \"c\" of model-00002-of-00002.safetensors is not listed so"));
  directory.Add(kShard2, {{"a", at::ones({2})}, {"b", at::ones({2})}});
  EXPECT_THAT(directory.OpenError(),
              HasSubstr("tensor \"a\" of model-00002-of-00002.safetensors is not listed so"));
}

TEST(ShardedCheckpoint, NamesShardsWithoutAnIndexAndAMissingShard) {
  Sharded directory;
  std::filesystem::remove(directory.Path(kShard2));
  EXPECT_THAT(directory.OpenError(), HasSubstr("model-00002-of-00002.safetensors: cannot be opened"));
  std::filesystem::remove(directory.Path(kIndex));
  EXPECT_THAT(directory.OpenError(),
              HasSubstr("is one of several, but there is no *.safetensors.index.json"));
}

}  // namespace
}  // namespace easel

#include "model/io/json_pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/model/io/temporary_directory.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ReadStringNumberPairs, ReadsPairsInTheirOrder) {
  TemporaryDirectory directory;
  const std::string path =
      directory.Write("x.json", R"({"model": {"vocab": [["b", -1.5], ["", 2], ["b", 0]]}})");
  const auto pairs = ReadStringNumberPairs(path, "model", "vocab");
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  EXPECT_THAT(*pairs, ElementsAre(Pair("b", -1.5), Pair("", 2), Pair("b", 0)));
}

TEST(ReadStringNumberPairs, NamesTheFault) {
  TemporaryDirectory directory;
  auto fault = [&](const std::string& json) {
    const auto pairs = ReadStringNumberPairs(directory.Write("x.json", json), "model", "vocab");
    return pairs.ok() ? "no fault" : std::string(pairs.status().message());
  };
  EXPECT_THAT(fault("{"), HasSubstr("x.json: not JSON"));
  for (const char* json : {"[]", "{}", R"({"model": 5})", R"({"model": {}})"}) {
    EXPECT_THAT(fault(json), HasSubstr("x.json: key \"model.vocab\": missing")) << json;
  }
  EXPECT_THAT(fault(R"({"model": {"vocab": 5}})"), HasSubstr("expected an array of [string, number], got 5"));
  for (const char* pair :
       {"5", "[]", R"(["a"])", R"(["a", "b"])", R"([1, 2])", R"(["a", 1, 2])", "[NaN, 1]"}) {
    EXPECT_THAT(fault(R"({"model": {"vocab": [["a", 1], )" + std::string(pair) + "]}}"),
                HasSubstr("element 1"))
        << pair;
  }
}

}  // namespace
}  // namespace easel

#include "model/io/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/model/io/temporary_directory.h"

namespace easel {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

JsonObject Parse(const std::string& text) { return JsonObject::Parse(text, "config.json").value(); }

TEST(JsonObject, ReadsEveryType) {
  JsonObject json =
      Parse(R"({"int": -3, "number": 0.5, "whole": 2, "bool": true, "string": "é\n", "ints": [1, 2],
                              "numbers": [1, 0.5], "strings": ["a", null], "rows": [[1], [2, 0.5], []],
                              "merges": ["a b", ["c", "d"]], "object": {"x": 1}, "objects": [{"x": 2}, {"x": 3}]})");
  EXPECT_EQ(json.Int("int"), -3);
  EXPECT_EQ(json.Number("number"), 0.5);
  EXPECT_EQ(json.Number("whole"), 2);
  EXPECT_EQ(json.Bool("bool"), true);
  EXPECT_EQ(json.String("string"), "é\n");
  EXPECT_THAT(json.Ints("ints"), ElementsAre(1, 2));
  EXPECT_THAT(json.Numbers("numbers"), ElementsAre(1, 0.5));
  EXPECT_THAT(json.Strings("strings"), ElementsAre("a", ""));
  EXPECT_THAT(json.Rows("rows"), ElementsAre(ElementsAre(1), ElementsAre(2, 0.5), IsEmpty()));
  EXPECT_THAT(json.StringRows("merges"), ElementsAre(ElementsAre("a b"), ElementsAre("c", "d")));
  EXPECT_EQ(json.Object("object")->Int("x"), 1);
  EXPECT_EQ(json.Objects("objects").at(1).Int("x"), 3);
  EXPECT_TRUE(json.status().ok()) << json.status();
}

TEST(JsonObject, NullAndAbsentKeysTakeTheDefault) {
  JsonObject json = Parse(R"({"null": null})");
  for (const char* key : {"null", "absent"}) {
    EXPECT_FALSE(json.Has(key));
    EXPECT_EQ(json.Int(key, 7), 7);
    EXPECT_EQ(json.Number(key, 0.25), 0.25);
    EXPECT_EQ(json.Bool(key, true), true);
    EXPECT_EQ(json.String(key, "x"), "x");
    EXPECT_THAT(json.Ints(key, std::vector<int64_t>{1}), ElementsAre(1));
    EXPECT_THAT(json.Numbers(key, std::vector<double>{2}), ElementsAre(2));
    EXPECT_THAT(json.Strings(key, std::vector<std::string>{"a"}), ElementsAre("a"));
    EXPECT_THAT(json.Rows(key), IsEmpty());
    EXPECT_FALSE(json.Object(key));
    EXPECT_THAT(json.Objects(key), IsEmpty());
  }
  EXPECT_TRUE(json.status().ok()) << json.status();
}

TEST(JsonObject, ReadsTheNumbersThatOnlyPythonWrites) {
  JsonObject json =
      Parse(R"({"min": -Infinity, "max": Infinity, "nan": NaN, "text": "NaN, \"-Infinity", "row": [[NaN]]})");
  EXPECT_EQ(json.Number("min"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(json.Number("max"), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(json.Number("nan")));
  EXPECT_EQ(json.String("text"), "NaN, \"-Infinity");
  EXPECT_TRUE(std::isnan(json.Rows("row").at(0).at(0)));
  EXPECT_TRUE(json.status().ok()) << json.status();
  EXPECT_EQ(json.Int("min", 3), 3);
  EXPECT_EQ(Message(json.status()), R"(config.json: key "min": expected an integer, got -Infinity)");
}

struct BadRead {
  const char* text;
  void (*read)(JsonObject&);
  const char* error;
};

TEST(JsonObject, NamesFileKeyAndWhatItGot) {
  const BadRead cases[] = {
      {R"({"k": "abc"})", [](JsonObject& j) { j.Int("k"); }, R"(key "k": expected an integer, got "abc")"},
      {R"({"k": 1.5})", [](JsonObject& j) { j.Int("k", 3); }, R"(key "k": expected an integer, got 1.5)"},
      {R"({"k": 9223372036854775808})", [](JsonObject& j) { j.Int("k"); },
       "expected an integer, got 9223372036854775808"},
      {R"({})", [](JsonObject& j) { j.Int("k"); }, R"(key "k": missing; expected an integer)"},
      {R"({"k": null})", [](JsonObject& j) { j.String("k"); }, R"(key "k": missing; expected a string)"},
      {R"({"k": true})", [](JsonObject& j) { j.Number("k"); }, R"(key "k": expected a number, got true)"},
      {R"({"k": 1})", [](JsonObject& j) { j.Bool("k"); }, R"(key "k": expected true or false, got 1)"},
      {R"({"k": ["a"]})", [](JsonObject& j) { j.String("k"); }, R"(key "k": expected a string, got ["a"])"},
      {R"({"k": NaN})", [](JsonObject& j) { j.String("k"); }, R"(key "k": expected a string, got NaN)"},
      {R"({"k": [1, 2.5]})", [](JsonObject& j) { j.Ints("k"); },
       "expected an array of integers, got [1,2.5]"},
      {R"({"k": {"a": 1}})", [](JsonObject& j) { j.Numbers("k"); },
       R"(expected an array of numbers, got {"a":1})"},
      {R"({"k": ["a", 1]})", [](JsonObject& j) { j.Strings("k"); },
       R"(expected an array of strings, got ["a",1])"},
      {R"({"k": [1]})", [](JsonObject& j) { j.Rows("k"); },
       "expected an array of arrays of numbers, got [1]"},
      {R"({"k": [1]})", [](JsonObject& j) { j.StringRows("k"); },
       "expected an array of strings or of arrays"},
      {R"({"k": []})", [](JsonObject& j) { j.Object("k"); }, R"(key "k": expected an object, got [])"},
      {R"({"k": [{}, 1]})", [](JsonObject& j) { j.Objects("k"); },
       "expected an array of objects, got [{},1]"},
      {R"({"a": 1, "b": "x"})", [](JsonObject& j) { j.IntEntries(); },
       R"(key "b": expected an integer, got "x")"},
  };
  for (const BadRead& c : cases) {
    JsonObject json = Parse(c.text);
    c.read(json);
    EXPECT_THAT(Message(json.status()), HasSubstr(c.error)) << c.text;
    EXPECT_THAT(Message(json.status()), testing::StartsWith("config.json: key ")) << c.text;
  }
}

TEST(JsonObject, KeepsTheFirstFaultAndGoesOn) {
  JsonObject json = Parse(R"({"a": "x", "b": "y", "c": 3})");
  EXPECT_EQ(json.Int("a"), 0);
  EXPECT_EQ(json.Int("b", 5), 5);
  EXPECT_EQ(json.Int("c"), 3);
  json.Fail("c", "too small");
  EXPECT_THAT(Message(json.status()), HasSubstr("key \"a\""));
}

TEST(JsonObject, FaultsOfNestedObjectsAreTheirOwnAndNameTheWay) {
  JsonObject json = Parse(R"({"outer": {"inner": {"k": 1}}, "list": [{}, {"k": "x"}]})");
  JsonObject inner = *json.Object("outer")->Object("inner");
  inner.Fail("k", "must be even");
  EXPECT_EQ(Message(inner.status()), R"(config.json: key "outer.inner.k": must be even)");
  JsonObject element = json.Objects("list").at(1);
  element.Int("k");
  EXPECT_EQ(Message(element.status()), R"(config.json: key "list[1].k": expected an integer, got "x")");
  EXPECT_TRUE(json.status().ok());
}

TEST(JsonObject, NestedObjectsOutliveTheirParent) {
  std::optional<JsonObject> nested = Parse(R"({"vocab": {"b": 1, "a": 0}})").Object("vocab");
  EXPECT_THAT(nested->IntEntries(), ElementsAre(Pair("a", 0), Pair("b", 1)));
  EXPECT_THAT(nested->keys(), ElementsAre("a", "b"));
}

TEST(JsonObject, RefusesTextThatIsNoObject) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "config.json: not JSON: parse error"},
      {"{", "config.json: not JSON: parse error"},
      {"{\"a\": nul}", "config.json: not JSON: parse error at line 1, column 10"},
      {"{} {}", "config.json: not JSON: parse error"},
      {"{'a': 1}", "config.json: not JSON: parse error"},
      {"{\"a\": \"\xff\"}", "config.json: not JSON: parse error"},
      {"{\"a\": 1e999}", "config.json: not JSON: number overflow"},
      {"[1]", "config.json: expected an object, got [1]"},
      {"NaN", "config.json: expected an object, got NaN"},
      {R"({"a": {"b": 1, "b": 2}})", "config.json: the key \"b\" appears twice in one object"},
      {std::string(65, '['), "config.json: nested deeper than 64 levels"},
      {"{\"a\": Infinity1}", "config.json: not JSON: parse error"},
  };
  for (const auto& [text, error] : cases) {
    const auto json = JsonObject::Parse(text, "config.json");
    EXPECT_THAT(Message(json.status()), HasSubstr(error)) << text;
  }
  EXPECT_TRUE(
      JsonObject::Parse(R"({"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}]})", "").ok());  // x is not twice in one
}

TEST(JsonObject, OpensFilesOnly) {
  TemporaryDirectory directory;
  EXPECT_EQ(JsonObject::Open(directory.Write("a.json", R"({"k": 4})"))->Int("k"), 4);
  const absl::Status absent = JsonObject::Open(directory.Path("b.json")).status();
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(absent), HasSubstr("b.json: cannot be opened"));
  EXPECT_THAT(Message(JsonObject::Open(directory.path()).status()), HasSubstr("not a regular file"));
}

TEST(JsonWriter, WritesWhatJsonObjectReads) {
  JsonWriter labels;
  labels.Set("0", "a \"cat\"\n");
  labels.Set("1", "größe");
  JsonWriter json;
  json.Set("name", "EaselDiT");
  json.Set("view", std::string_view("x"));
  json.Set("flag", true);
  json.Set("count", 3);
  json.Set("large", int64_t{9007199254740993});
  json.Set("third", 1.0 / 3);
  json.Set("infinite", -std::numeric_limits<double>::infinity());
  json.Set("ints", std::vector<int64_t>{1, 2});
  json.Set("numbers", std::vector<double>{0.1, 2});
  json.Set("strings", std::vector<std::string>{"a", "b"});
  json.Set("rows", std::vector<std::vector<double>>{{1, 2}, {}});
  json.Set("labels", labels);
  json.Set("empty", JsonWriter());
  json.Set("count", 4);  // again: replaces
  JsonObject read = Parse(json.Text());
  EXPECT_EQ(read.String("name"), "EaselDiT");
  EXPECT_EQ(read.String("view"), "x");
  EXPECT_EQ(read.Bool("flag"), true);
  EXPECT_EQ(read.Int("count"), 4);
  EXPECT_EQ(read.Int("large"), 9007199254740993);
  EXPECT_EQ(read.Number("third"), 1.0 / 3);
  EXPECT_EQ(read.Number("infinite"), -std::numeric_limits<double>::infinity());
  EXPECT_THAT(read.Ints("ints"), ElementsAre(1, 2));
  EXPECT_THAT(read.Numbers("numbers"), ElementsAre(0.1, 2));
  EXPECT_THAT(read.Strings("strings"), ElementsAre("a", "b"));
  EXPECT_THAT(read.Rows("rows"), ElementsAre(ElementsAre(1, 2), IsEmpty()));
  EXPECT_EQ(read.Object("labels")->String("0"), "a \"cat\"\n");
  EXPECT_EQ(read.Object("labels")->String("1"), "größe");
  EXPECT_THAT(read.Object("empty")->keys(), IsEmpty());
  EXPECT_TRUE(read.status().ok()) << read.status();
}

TEST(JsonWriter, KeepsTheOrderAndIndents) {
  JsonWriter inner;
  inner.Set("z", 1);
  JsonWriter json;
  json.Set("b", inner);
  json.Set("a", 0.5);
  EXPECT_EQ(json.Text(), "{\n  \"b\": {\n    \"z\": 1\n  },\n  \"a\": 0.5\n}\n");
  EXPECT_EQ(JsonWriter().Text(), "{}\n");
}

TEST(WriteTextFile, ReplacesTheFileAndLeavesNothingElse) {
  TemporaryDirectory directory;
  const std::string path = directory.Write("a.json", "old and longer");
  ASSERT_TRUE(WriteTextFile(path, "new\n").ok());
  EXPECT_EQ(ReadAll(path), "new\n");
  EXPECT_THAT(directory.Names(), ElementsAre("a.json"));
  EXPECT_THAT(Message(WriteTextFile(directory.Path("no/a.json"), "x")),
              HasSubstr("no/a.json: cannot be written"));
}

}  // namespace
}  // namespace easel

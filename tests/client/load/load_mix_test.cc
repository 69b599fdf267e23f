#include "client/load/load_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace easel {
namespace {

using ::testing::HasSubstr;

TEST(ParseMix, ReadsAllThatAnEntryCanSay) {
  const auto mix = ParseMix(R"([
    {"weight": 2.5, "request": {"prompt": "red", "num_inference_steps": 20, "guidanceScale": 1, "seed": "7"},
     "tenant": "shop", "deadline_factor": 4},
    {"request": {"class_label": 0}}])");
  ASSERT_TRUE(mix.ok()) << mix.status();
  ASSERT_EQ(mix->size(), 2u);
  EXPECT_EQ((*mix)[0].weight, 2.5);
  EXPECT_EQ((*mix)[0].request.prompt(), "red");
  EXPECT_EQ((*mix)[0].request.num_inference_steps(), 20u);
  EXPECT_EQ((*mix)[0].request.guidance_scale(), 1);
  EXPECT_EQ((*mix)[0].request.seed(), 7u);
  EXPECT_EQ((*mix)[0].tenant, "shop");
  EXPECT_EQ((*mix)[0].deadline_factor, 4);
  EXPECT_EQ((*mix)[1].weight, 1);
  EXPECT_EQ((*mix)[1].request.condition_case(), v1::GenerateRequest::kClassLabel);
  EXPECT_EQ((*mix)[1].tenant, "");
  EXPECT_FALSE((*mix)[1].deadline_factor.has_value());
}

TEST(ParseMix, NamesWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "JSON list"},
      {"{}", "JSON list"},
      {"[]", "JSON list"},
      {"[{]", "JSON list"},
      {"[1]", "entry 0"},
      {R"([{"request": {}}, {"weight": 1}])", "entry 1"},
      {R"([{"request": {}, "wieght": 1}])", "entry 0: wieght"},
      {R"([{"request": {}, "weight": 0}])", "weight: not above 0"},
      {R"([{"request": {}, "weight": "1"}])", "weight: not above 0"},
      {R"([{"request": {}, "deadline_factor": -1}])", "deadline_factor"},
      {R"([{"request": {}, "tenant": 3}])", "tenant: not a string"},
      {R"([{"request": {}, "tenant": "a\nb"}])", "tenant: not printable"},
      {R"([{"request": {"steps": 3}}])", "steps"},
      {R"([{"request": {"num_images": 2}}])", "num_images"},
      {R"([{"request": {"request_id": "a"}}])", "request_id"},
  };
  for (const auto& [text, part] : wrong) {
    EXPECT_THAT(std::string(ParseMix(text).status().message()), HasSubstr(part)) << text;
  }
}

v1::Model Model() {
  v1::Model model;
  model.mutable_limits()->set_max_steps(1000);
  model.mutable_defaults()->set_guidance_scale(3);
  model.set_takes_prompt(true);
  model.set_takes_class(true);
  model.set_takes_guidance(true);
  return model;
}

TEST(BuiltInMix, IsEverythingThatTheModelTakes) {
  std::set<std::string> names;
  for (const LoadKind& kind : BuiltInMix(Model())) {
    EXPECT_EQ(kind.weight, 1);
    names.insert(KindName(kind.request));
  }
  EXPECT_EQ(names.size(), 16u);
  EXPECT_TRUE(names.contains("4 steps, guidance 1, prompt"));
  EXPECT_TRUE(names.contains("50 steps, guidance 3, class"));
}

TEST(BuiltInMix, LeavesOutWhatItDoesNotTake) {
  v1::Model model = Model();
  model.set_takes_class(false);
  model.set_takes_guidance(false);
  model.mutable_limits()->set_max_steps(20);
  const auto mix = BuiltInMix(model);
  ASSERT_EQ(mix.size(), 3u);
  for (const LoadKind& kind : mix) {
    EXPECT_TRUE(kind.request.has_prompt());
    EXPECT_FALSE(kind.request.has_guidance_scale());
  }
  model.set_takes_prompt(false);
  EXPECT_EQ(BuiltInMix(model)[0].request.condition_case(), v1::GenerateRequest::CONDITION_NOT_SET);
}

}  // namespace
}  // namespace easel

#include "server/image/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace easel {
namespace {

using ::testing::HasSubstr;

ImageParameters Plain() {
  ImageParameters p;
  p.prompt = "a red apple";
  p.negative_prompt = "blurry";
  p.num_inference_steps = 30;
  p.sampler = "euler";
  p.guidance_scale = 4;
  p.seed = 1;
  p.width = p.height = 64;
  p.model = "emoji";
  return p;
}

TEST(Parameters, AreWrittenAsImageToolsReadThem) {
  EXPECT_EQ(FormatParameters(Plain()),
            "a red apple\n"
            "Negative prompt: blurry\n"
            "Steps: 30, Sampler: euler, CFG scale: 4, Seed: 1, Size: 64x64, Model: emoji");
}

TEST(Parameters, ClassPicturesSayTheirClass) {
  ImageParameters p;
  p.num_inference_steps = 8;
  p.class_label = 3;
  p.class_name = "Food & Drink";
  EXPECT_EQ(FormatParameters(p), "Steps: 8, Class: Food & Drink, Class label: 3");
  EXPECT_EQ(*ParseParameters(FormatParameters(p)), p);
}

TEST(Parameters, EveryTextComesBack) {
  const std::vector<std::string> nasty = {
      "",
      " ",
      "two\nlines",
      "\n",
      "ends with a line break\n",
      "  blanks around  ",
      "tab\tand \"quotes\", commas: colons \\ backslashes \\n",
      "Negative prompt: not really",
      "a\nNegative prompt: not really\nb",
      "\\Negative prompt: x",
      "\\\\Negative prompt: x",
      "Steps: 3, Sampler: heun",
      "a\nSteps: 3, Sampler: heun, CFG scale: 1",
      "\r\nwindows\r\n",
      "(weight:1.2), [a|b], <lora:x:1>",
      "紅いりんご 🍎",
  };
  for (const std::string& text : nasty) {
    for (const std::string& other : nasty) {
      ImageParameters p = Plain();
      p.prompt = text;
      p.negative_prompt = other;
      p.model = text;
      p.class_name = other;
      const auto parsed = ParseParameters(FormatParameters(p));
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      EXPECT_EQ(*parsed, p) << FormatParameters(p);
      p.prompt.reset();
      EXPECT_EQ(*ParseParameters(FormatParameters(p)), p) << FormatParameters(p);
    }
  }
}

TEST(Parameters, NumbersComeBackExactly) {
  ImageParameters p = Plain();
  p.seed = std::numeric_limits<uint64_t>::max();
  for (const double value : {0.0, 0.1, 1.0 / 3, 7.5, 1e-9, 1e30}) {
    p.guidance_scale = value;
    p.guidance_rescale = value / 7;
    p.true_cfg_scale = value / 9;
    p.flow_shift = value * 3;
    EXPECT_EQ(*ParseParameters(FormatParameters(p)), p);
  }
}

TEST(Parameters, NulBecomesTheReplacementCharacter) {
  ImageParameters p = Plain();
  p.prompt = std::string("a\0b", 3);
  EXPECT_EQ(ParseParameters(FormatParameters(p))->prompt,
            "a\xEF\xBF\xBD"
            "b");
}

TEST(Parameters, ReadsWhatOtherToolsWrite) {
  const auto parsed = ParseParameters(
      "masterpiece, (red apple:1.3)\nNegative prompt: worst quality, blurry\n"
      "Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7.5, Seed: 3284613201, Size: 512x768, "
      "Model hash: 6ce0161689, Model: v1-5, Lora hashes: \"a: 1, b: 2\", Version: v1.9.4");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ImageParameters expected;
  expected.prompt = "masterpiece, (red apple:1.3)";
  expected.negative_prompt = "worst quality, blurry";
  expected.num_inference_steps = 20;
  expected.sampler = "Euler a";
  expected.guidance_scale = 7.5;
  expected.seed = 3284613201;
  expected.width = 512;
  expected.height = 768;
  expected.model = "v1-5";
  EXPECT_EQ(*parsed, expected);
}

TEST(Parameters, TextWithoutSettingsIsAllPrompt) {
  EXPECT_EQ(ParseParameters("a cat: black, small")->prompt, "a cat: black, small");
  EXPECT_FALSE(ParseParameters("a cat")->seed.has_value());
}

TEST(Parameters, WrongValuesAreNamed) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"Steps: many", "Steps is 'many'"},
           {"Steps: -1", "Steps is '-1'"},
           {"Steps: 1, Seed: 18446744073709551616", "Seed is '18446744073709551616'"},
           {"Steps: 1, Size: 64", "Size is '64'"},
           {"Steps: 1, Size: 64x", "Size is ''"},
           {"Steps: 1, CFG scale: 4x", "CFG scale is '4x'"}}) {
    const auto parsed = ParseParameters(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(part));
  }
}

}  // namespace
}  // namespace easel

#include "model/pipeline.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "tests/testing/tiny_pipeline.h"

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

GenerationSpec DefaultSpec(const Pipeline& pipeline) {
  const ModelInfo& info = pipeline.info();
  GenerationSpec spec;
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = info.default_steps;
  spec.guidance_scale = info.default_guidance_scale;
  spec.flow_shift = info.default_flow_shift;
  spec.sampler = info.samplers.front();
  return spec;
}

std::vector<int> MiddlePixel(const Image& image) {
  const uint8_t* p = &image.rgb[3 * (image.height / 2 * image.width + image.width / 2)];
  return {p[0], p[1], p[2]};
}

// --- What comes out, with a network that knows its target.

TEST(Generate, DrawsWhatThePromptOrTheClassAsksFor) {
  auto pipeline = MakeAnalyticPipeline();
  for (const std::string& sampler : pipeline->info().samplers) {
    for (int steps : {1, 2, 7}) {
      for (double shift : {1.0, 3.0}) {
        GenerationSpec spec = DefaultSpec(*pipeline);
        spec.sampler = sampler;
        spec.num_inference_steps = steps;
        spec.flow_shift = shift;
        spec.prompt = "a Red apple";
        auto image = pipeline->Generate(spec);
        ASSERT_TRUE(image.ok()) << image.status();
        EXPECT_EQ(image->width, 16);
        EXPECT_EQ(image->height, 16);
        EXPECT_EQ(image->rgb.size(), 16u * 16 * 3);
        EXPECT_EQ(MiddlePixel(*image), (std::vector<int>{255, 0, 0})) << sampler << ", " << steps << " steps";
        spec.prompt.reset();
        spec.class_label = 2;
        EXPECT_EQ(MiddlePixel(*pipeline->Generate(spec)), (std::vector<int>{0, 0, 255})) << sampler;
      }
    }
  }
}

TEST(Generate, GuidanceGoesFromTheUnconditionalRowThroughTheConditional) {
  auto pipeline = MakeAnalyticPipeline();
  GenerationSpec spec = DefaultSpec(*pipeline);
  spec.prompt = "white";
  for (auto [scale, grey] :
       {std::pair{0.0, 127.5}, {0.5, 191.25}, {1.0, 255.0}, {-0.5, 63.75}, {9.0, 255.0}}) {
    spec.guidance_scale = scale;
    EXPECT_NEAR(MiddlePixel(*pipeline->Generate(spec))[0], grey, 1) << "scale " << scale;
  }
}

TEST(Generate, ANegativePromptTakesThePlaceOfTheUnconditionalRow) {
  auto pipeline = MakeAnalyticPipeline();
  GenerationSpec spec = DefaultSpec(*pipeline);
  spec.prompt = "white";
  spec.negative_prompt = "black";
  spec.guidance_scale = 0.25;  // −1 + 0.25·2
  EXPECT_NEAR(MiddlePixel(*pipeline->Generate(spec))[0], 63.75, 1);
}

TEST(Generate, WithoutAConditionTheScaleDoesNothing) {
  auto pipeline = MakeAnalyticPipeline();
  GenerationSpec spec = DefaultSpec(*pipeline);
  for (double scale : {0.0, 1.0, 7.5}) {
    spec.guidance_scale = scale;
    EXPECT_NEAR(MiddlePixel(*pipeline->Generate(spec))[0], 127.5, 1) << "scale " << scale;
  }
}

// --- Which rows a generation needs.

TEST(Tokenize, GivesTheRowsThatGuidanceNeeds) {
  auto pipeline = MakeAnalyticPipeline();
  GenerationSpec spec = DefaultSpec(*pipeline);
  auto rows = [&](double scale) {
    spec.guidance_scale = scale;
    TokenizedPrompts prompts = pipeline->Tokenize(spec).value();
    GuidedConditioning encoded = pipeline->Encode(prompts).value();
    EXPECT_EQ(encoded.conditional.has_value(), prompts.conditional.has_value());
    EXPECT_EQ(encoded.unconditional.has_value(), prompts.unconditional.has_value());
    return std::pair(prompts.conditional.has_value(), prompts.unconditional.has_value());
  };
  EXPECT_EQ(rows(3), std::pair(false, true));  // no condition
  EXPECT_EQ(rows(1), std::pair(false, true));
  spec.class_label = 1;
  EXPECT_EQ(rows(3), std::pair(true, true));
  EXPECT_EQ(rows(1), std::pair(true, false));
  EXPECT_EQ(rows(0), std::pair(false, true));
}

TEST(Tokenize, CountsTheTokensThatWereCutOfEachPrompt) {
  auto pipeline = MakeAnalyticPipeline();
  GenerationSpec spec = DefaultSpec(*pipeline);
  spec.prompt = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
  EXPECT_EQ(pipeline->Tokenize(spec)->tokens_cut, (TokensCut{2, 0}));
  spec.negative_prompt = *spec.prompt + " 19";
  EXPECT_EQ(pipeline->Tokenize(spec)->tokens_cut, (TokensCut{2, 3}));
}

// --- Where a seed leads.

TEST(MakeSampler, NoiseIsThatOfTheCpuGeneratorSeeded) {
  auto pipeline = MakeAnalyticPipeline();
  GenerationSpec spec = DefaultSpec(*pipeline);
  spec.seed = 1234;
  at::Tensor noise = (*pipeline->MakeSampler(spec))->Next().latent;
  EXPECT_TRUE(at::equal(noise, at::randn({3, 16, 16}, at::detail::createCPUGenerator(1234))));
  spec.seed = 1235;
  EXPECT_FALSE(at::allclose(noise, (*pipeline->MakeSampler(spec))->Next().latent, 0.1, 0.1));
}

// --- What is refused: each message begins with the field.

struct Refusal {
  std::string message;
  std::function<void(GenerationSpec&)> change;
};

TEST(Validate, RefusesWithFieldValueAndWhatIsAllowed) {
  auto pipeline = MakeAnalyticPipeline();
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  const Refusal refusals[] = {
      {"width: 65 is not allowed; this model makes 16x16 only", [](auto& s) { s.width = 65; }},
      {"width: 0 is not allowed; this model makes 16x16 only", [](auto& s) { s.width = 0; }},
      {"height: -16 is not allowed; this model makes 16x16 only", [](auto& s) { s.height = -16; }},
      {"num_inference_steps: 0 is not allowed; it must be at least 1",
       [](auto& s) { s.num_inference_steps = 0; }},
      {"num_inference_steps: -3 is not", [](auto& s) { s.num_inference_steps = -3; }},
      {"guidance_scale: nan is not allowed", [&](auto& s) { s.guidance_scale = nan; }},
      {"guidance_scale: inf is not allowed", [&](auto& s) { s.guidance_scale = infinity; }},
      {"guidance_scale: 101 is not allowed; it must be in -100", [](auto& s) { s.guidance_scale = 101; }},
      {"guidance_rescale: 1.5 is not allowed; it must be in 0", [](auto& s) { s.guidance_rescale = 1.5; }},
      {"guidance_rescale: -0.1 is", [](auto& s) { s.guidance_rescale = -0.1; }},
      {"guidance_rescale: nan is", [&](auto& s) { s.guidance_rescale = nan; }},
      {"flow_shift: 0 is not allowed; it must be in 0.01", [](auto& s) { s.flow_shift = 0; }},
      {"flow_shift: nan is", [&](auto& s) { s.flow_shift = nan; }},
      {"flow_shift: 1e+30 is", [](auto& s) { s.flow_shift = 1e30; }},
      {"sampler: \"ddim\" is not known; this model has euler, heun", [](auto& s) { s.sampler = "ddim"; }},
      {"sampler: \"\" is not known", [](auto& s) { s.sampler = ""; }},
      {"class_label: 3 is not allowed; this model's are 0", [](auto& s) { s.class_label = 3; }},
      {"class_label: -1 is not allowed", [](auto& s) { s.class_label = -1; }},
      {"class_label: cannot be given together with a prompt",
       [](auto& s) {
         s.class_label = 1;
         s.prompt = "red";
       }},
      {"guidance_rescale: has no effect without a prompt or a class_label",
       [](auto& s) { s.guidance_scale = 3, s.guidance_rescale = 0.5; }},
      {"guidance_rescale: has no effect at a guidance_scale of 1",
       [](auto& s) { s.class_label = 1, s.guidance_scale = 1, s.guidance_rescale = 0.5; }},
      {"guidance_rescale: has no effect at a guidance_scale of 0",
       [](auto& s) { s.class_label = 1, s.guidance_scale = 0, s.guidance_rescale = 0.5; }},
      {"negative_prompt: has no effect without", [](auto& s) { s.negative_prompt = "red"; }},
      {"negative_prompt: has no effect at a guidance_scale of 1",
       [](auto& s) {
         s.prompt = "blue";
         s.negative_prompt = "red";
         s.guidance_scale = 1;
       }},
  };
  EXPECT_TRUE(pipeline->Validate(DefaultSpec(*pipeline)).ok());
  for (const Refusal& refusal : refusals) {
    GenerationSpec spec = DefaultSpec(*pipeline);
    refusal.change(spec);
    absl::Status status = pipeline->Validate(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal.message;
    EXPECT_THAT(std::string(status.message()), StartsWith(refusal.message));
    EXPECT_EQ(pipeline->Generate(spec).status(), status);
  }
}

TEST(Validate, TakesWhatIsAtTheLimits) {
  auto pipeline = MakeAnalyticPipeline();
  for (auto change : std::vector<std::function<void(GenerationSpec&)>>{
           [](auto& s) { s.num_inference_steps = 1; }, [](auto& s) { s.guidance_scale = -100; },
           [](auto& s) { s.class_label = 1, s.guidance_scale = 2, s.guidance_rescale = 1; },
           [](auto& s) { s.flow_shift = 0.01; }, [](auto& s) { s.flow_shift = 100; },
           [](auto& s) { s.class_label = 2; }, [](auto& s) { s.prompt = ""; },
           [](auto& s) { s.seed = ~uint64_t{0}; }}) {
    GenerationSpec spec = DefaultSpec(*pipeline);
    change(spec);
    EXPECT_TRUE(pipeline->Validate(spec).ok()) << pipeline->Validate(spec);
    EXPECT_TRUE(pipeline->Generate(spec).ok());
  }
}

// --- Pictures of latents.

TEST(Decode, RefusesNanAsInternal) {
  auto pipeline = MakeAnalyticPipeline();
  at::Tensor latent = at::zeros({3, 16, 16});
  EXPECT_TRUE(pipeline->Decode(latent, DefaultSpec(*pipeline)).ok());
  latent[1][2][3] = std::nan("");
  EXPECT_EQ(pipeline->Decode(latent, DefaultSpec(*pipeline)).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(pipeline->Preview(latent, DefaultSpec(*pipeline), "linear").status().code(),
            absl::StatusCode::kInternal);
}

TEST(Preview, KnowsItsMethodsOnly) {
  auto pipeline = MakeAnalyticPipeline();
  EXPECT_TRUE(pipeline->Preview(at::zeros({3, 16, 16}), DefaultSpec(*pipeline), "linear").ok());
  absl::Status status = pipeline->Preview(at::zeros({3, 16, 16}), DefaultSpec(*pipeline), "decoder").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("this model has linear"));
}

}  // namespace
}  // namespace easel

// Whole model directories against the book's own sampling loops: tests/golden/parts/pipeline.py.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "model/io/json.h"
#include "model/io/safetensors.h"
#include "model/pipeline.h"

namespace easel {
namespace {

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/pipeline/";

// What the case does not say is the model's default; guidance is off unless it says so.
GenerationSpec ReadSpec(JsonObject& golden, const ModelInfo& info) {
  GenerationSpec spec;
  if (golden.Has("prompt")) spec.prompt = golden.String("prompt");
  if (golden.Has("class_label")) spec.class_label = golden.Int("class_label");
  spec.negative_prompt = golden.String("negative_prompt", "");
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = static_cast<int>(golden.Int("num_inference_steps"));
  spec.guidance_scale = golden.Number("guidance_scale", 1);
  spec.guidance_rescale = golden.Number("guidance_rescale", 0);
  spec.seed = golden.Int("seed");
  spec.sampler = golden.String("sampler", "euler");
  spec.flow_shift = golden.Number("flow_shift", info.default_flow_shift);
  return spec;
}

int MaxDifference(const Image& image, const at::Tensor& picture) {
  at::Tensor ours = at::tensor(image.rgb, at::kByte).view({image.height, image.width, 3});
  if (ours.sizes() != picture.sizes()) return 256;
  return (ours.to(at::kInt) - picture.to(at::kInt)).abs().max().item<int>();
}

TEST(PipelineGolden, GeneratesThePicturesOfTheBooksLoops) {
  at::set_num_threads(1);  // networks so small gain nothing from more
  absl::StatusOr<JsonObject> cases = JsonObject::Open(kData + "cases.json");
  ASSERT_TRUE(cases.ok()) << cases.status();
  auto pictures = SafetensorsFile::Open(kData + "pictures.safetensors");
  ASSERT_TRUE(pictures.ok()) << pictures.status();
  std::map<std::string, std::unique_ptr<Pipeline>> pipelines;
  std::vector<JsonObject> goldens = cases->Objects("cases");
  ASSERT_EQ(goldens.size(), 13u);
  for (JsonObject& golden : goldens) {
    const std::string name = golden.String("name"), model = golden.String("model");
    std::unique_ptr<Pipeline>& pipeline = pipelines[model];
    if (pipeline == nullptr) {
      auto loaded = Pipeline::Load(kData + model, {});
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      pipeline = *std::move(loaded);
    }
    GenerationSpec spec = ReadSpec(golden, pipeline->info());
    ASSERT_TRUE(golden.status().ok()) << golden.status();
    absl::StatusOr<Image> image = pipeline->Generate(spec);
    ASSERT_TRUE(image.ok()) << name << ": " << image.status();
    EXPECT_LE(MaxDifference(*image, (*pictures)->Get(name)), 1) << name;

    spec.seed += 1;  // the comparison can fail
    EXPECT_GT(MaxDifference(*pipeline->Generate(spec), (*pictures)->Get(name)), 1) << name;
  }
}

}  // namespace
}  // namespace easel

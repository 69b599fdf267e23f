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
#include "tests/testing/golden_pictures.h"

namespace easel {
namespace {

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/pipeline/";

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
    GenerationSpec spec = ReadGoldenSpec(golden, pipeline->info());
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

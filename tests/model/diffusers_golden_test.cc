// Whole model directories that diffusers wrote against the pictures of its own pipelines:
// tests/golden/parts/pipelines.py.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "model/families.h"
#include "model/io/json.h"
#include "model/io/safetensors.h"
#include "model/pipeline.h"
#include "tests/testing/golden_pictures.h"

namespace easel {
namespace {

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/pipelines/";

class DiffusersGolden : public ::testing::TestWithParam<const char*> {};

std::unique_ptr<Pipeline> Load(const std::string& model, bool binning) {
  auto parts = LoadParts(kData + model, c10::kCPU, c10::kFloat);
  EXPECT_TRUE(parts.ok()) << parts.status();
  if (!parts.ok()) return nullptr;
  if (!binning) {
    parts->resolution_bins.clear();
    parts->info.size_multiple = 2 * parts->info.latent_downscale;
  }
  return std::make_unique<Pipeline>(*std::move(parts));
}

TEST_P(DiffusersGolden, GeneratesThePicturesOfDiffusers) {
  at::set_num_threads(1);  // networks so small gain nothing from more
  absl::StatusOr<JsonObject> cases = JsonObject::Open(kData + "cases.json");
  ASSERT_TRUE(cases.ok()) << cases.status();
  auto pictures = SafetensorsFile::Open(kData + "pictures.safetensors");
  ASSERT_TRUE(pictures.ok()) << pictures.status();
  const std::unique_ptr<Pipeline> with_bins = Load(GetParam(), true), without = Load(GetParam(), false);
  ASSERT_TRUE(with_bins && without);
  int compared = 0;
  for (JsonObject& golden : cases->Objects("cases")) {
    if (golden.String("model") != GetParam()) continue;
    const std::string name = golden.String("name");
    SCOPED_TRACE(name);
    const Pipeline& pipeline = golden.Bool("use_resolution_binning", true) ? *with_bins : *without;
    GenerationSpec spec = ReadGoldenSpec(golden, pipeline.info());
    ASSERT_TRUE(golden.status().ok()) << golden.status();
    const absl::StatusOr<Image> image = pipeline.Generate(spec);
    ASSERT_TRUE(image.ok()) << image.status();
    const int difference = MaxDifference(*image, (*pictures)->Get(name));
    EXPECT_LE(difference, 1);
    RecordProperty(name, difference);

    spec.seed += 1;  // the comparison can fail
    EXPECT_GT(MaxDifference(*pipeline.Generate(spec), (*pictures)->Get(name)), 1);
    ++compared;
  }
  EXPECT_GE(compared, 2);
}

// Every part of a pipeline in a half precision: the same picture as far as that goes.
TEST_P(DiffusersGolden, GeneratesInBfloat16NearFloat32) {
  at::set_num_threads(1);
  const std::unique_ptr<Pipeline> full = Load(GetParam(), true);
  auto half = Pipeline::Load(kData + GetParam(), {.dtype = c10::kBFloat16});
  ASSERT_TRUE(full && half.ok()) << half.status();
  absl::StatusOr<JsonObject> cases = JsonObject::Open(kData + "cases.json");
  ASSERT_TRUE(cases.ok()) << cases.status();
  for (JsonObject& golden : cases->Objects("cases")) {
    if (golden.String("model") != GetParam()) continue;
    const GenerationSpec spec = ReadGoldenSpec(golden, full->info());
    const absl::StatusOr<Image> a = full->Generate(spec), b = (*half)->Generate(spec);
    ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
    double sum = 0;
    for (size_t i = 0; i < a->rgb.size(); ++i) sum += std::abs(a->rgb[i] - b->rgb[i]);
    RecordProperty("levels", std::to_string(sum / a->rgb.size()));
    EXPECT_LT(sum / a->rgb.size(), 8);  // levels, on average
    return;                             // of its first case
  }
}

INSTANTIATE_TEST_SUITE_P(Models, DiffusersGolden,
                         ::testing::Values("dit", "flux_dev", "flux_schnell", "sd3", "sd3_no_t5",
                                           "pixart_alpha", "pixart_alpha_1024", "pixart_sigma"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace easel

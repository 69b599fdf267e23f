// The model in model/reference: that it loads, what it takes, how large it is, and that its pictures are its own.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "model/pipeline.h"

namespace easel {
namespace {

const std::string kDirectory = EASEL_SOURCE_DIR "/model/reference";

const Pipeline& Shipped() {
  static const Pipeline* pipeline = [] {
    absl::StatusOr<std::unique_ptr<Pipeline>> loaded = Pipeline::Load(kDirectory, {});
    if (!loaded.ok()) throw std::runtime_error(std::string(loaded.status().message()));
    return loaded->release();
  }();
  return *pipeline;
}

GenerationSpec Ask(std::optional<std::string> prompt, std::optional<int64_t> label, uint64_t seed) {
  const ModelInfo& info = Shipped().info();
  GenerationSpec spec;
  spec.prompt = prompt;
  spec.class_label = label;
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = 10;
  spec.guidance_scale = info.default_guidance_scale;
  spec.flow_shift = info.default_flow_shift;
  spec.sampler = info.samplers.front();
  spec.seed = seed;
  return spec;
}

TEST(ShippedModel, TakesPromptsClassesAndNothing) {
  const ModelInfo& info = Shipped().info();
  EXPECT_EQ(info.family, "EaselPipeline");
  EXPECT_EQ(info.transformer, "EaselDiT");
  EXPECT_EQ(info.default_width, 64);
  EXPECT_TRUE(info.takes_prompt && info.takes_class && info.takes_unconditional && info.takes_negative_prompt);
  EXPECT_EQ(info.num_classes, 26);
  EXPECT_EQ(info.class_names.size(), 26u);
  EXPECT_EQ(info.preview_methods, (std::vector<std::string>{"linear", "decoder"}));
}

TEST(ShippedModel, IsAtMost32Megabytes) {
  uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kDirectory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_LE(bytes, 32u * 1000 * 1000);
}

TEST(ShippedModel, DrawsWhatIsAskedAndTheSameAgain) {
  std::set<std::vector<uint8_t>> pictures;
  const std::vector<GenerationSpec> specs = {Ask("red heart", {}, 1), Ask("pizza", {}, 1), Ask({}, 9, 1), Ask({}, {}, 1),
                                             Ask("red heart", {}, 2)};
  for (const GenerationSpec& spec : specs) {
    ASSERT_EQ(Shipped().Validate(spec), absl::OkStatus());
    absl::StatusOr<Image> image = Shipped().Generate(spec);
    ASSERT_EQ(image.status(), absl::OkStatus());
    pictures.insert(image->rgb);
  }
  EXPECT_EQ(pictures.size(), specs.size());  // prompt, class and seed each matter
  EXPECT_EQ(pictures.count(Shipped().Generate(specs[0])->rgb), 1u);
}

// "red heart" is red where a heart is, and white in the corners.
TEST(ShippedModel, ARedHeartIsRed) {
  absl::StatusOr<Image> image = Shipped().Generate(Ask("red heart", {}, 1));
  ASSERT_EQ(image.status(), absl::OkStatus());
  const auto pixel = [&](int x, int y) { return &image->rgb[3 * (y * image->width + x)]; };
  const uint8_t* middle = pixel(32, 32);
  EXPECT_GT(middle[0], middle[1] + 60);
  EXPECT_GT(middle[0], middle[2] + 60);
  for (int corner : {0, 1, 2, 3}) {
    const uint8_t* c = pixel(corner % 2 ? 62 : 1, corner / 2 ? 62 : 1);
    EXPECT_GT(std::min({c[0], c[1], c[2]}), 200);
  }
}

}  // namespace
}  // namespace easel

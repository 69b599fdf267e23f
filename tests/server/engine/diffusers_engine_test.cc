// The main property for networks with weights: every family of diffusers, requests mixed, against
// Pipeline::Generate.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/pipeline.h"
#include "server/engine/engine.h"
#include "server/engine/thread_team.h"
#include "tests/testing/recording_listener.h"

namespace easel {
namespace {

class DiffusersEngine : public ::testing::TestWithParam<const char*> {};

// Requests that differ in whatever they may.
std::vector<GenerationSpec> Mixed(const ModelInfo& info) {
  std::vector<GenerationSpec> specs;
  for (int i = 0; i < 6; ++i) {
    GenerationSpec spec;
    const int side = info.fixed_size ? info.default_width : 32;
    spec.width = side;
    spec.height = info.fixed_size || i < 4 ? side : 2 * side;  // two have a shape of their own
    if (info.takes_class) spec.class_label = 17 * i;
    if (info.takes_prompt && i != 3) spec.prompt = i % 2 == 0 ? "a red apple" : "the quick brown fox";
    spec.num_inference_steps = 2 + i % 3;
    spec.guidance_scale = i % 2 == 0 ? info.default_guidance_scale : 1;
    const bool negative = spec.prompt && (info.takes_true_cfg ? i % 2 == 1 : spec.guidance_scale > 1);
    if (info.takes_negative_prompt && negative) spec.negative_prompt = "the blue car";
    if (info.takes_true_cfg && negative) spec.true_cfg_scale = 2.5;
    spec.flow_shift = info.default_flow_shift;
    spec.sampler = info.samplers[i % info.samplers.size()];
    spec.seed = 40 + i;
    specs.push_back(spec);
  }
  return specs;
}

TEST_P(DiffusersEngine, EqualsGenerateByteForByte) {
  UseOneIntraOpThread();
  auto loaded =
      Pipeline::Load(std::string(EASEL_SOURCE_DIR "/tests/golden/data/pipelines/") + GetParam(), {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const std::shared_ptr<const Pipeline> pipeline = *std::move(loaded);
  const std::vector<GenerationSpec> specs = Mixed(pipeline->info());

  std::vector<std::shared_ptr<RecordingListener>> listeners;
  {
    EngineOptions options;
    options.max_batch_rows = 8;
    options.cpu_workers = 1;
    options.cpu_threads = 2;
    options.now = [] { return absl::FromUnixSeconds(1); };  // so that no forward seems too slow to be shared
    Engine engine({{"tiny", pipeline}}, std::move(options));
    std::vector<PictureRequest> pictures;
    for (const GenerationSpec& spec : specs) {
      listeners.push_back(std::make_shared<RecordingListener>());
      pictures.push_back({spec, listeners.back()});
    }
    const auto handles = engine.Submit("tiny", std::move(pictures), {});  // at once, so that some do share
    ASSERT_TRUE(handles.ok()) << handles.status();
    for (const auto& listener : listeners) ASSERT_EQ(listener->AwaitEnd(), absl::OkStatus());
  }
  double largest_batch = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    const absl::StatusOr<Image> alone = pipeline->Generate(specs[i]);
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_EQ(listeners[i]->image().rgb, alone->rgb) << "request " << i;
    EXPECT_EQ(listeners[i]->image().height, specs[i].height);
    largest_batch = std::max(largest_batch, listeners[i]->accounting().mean_batch_size);
  }
  EXPECT_GT(largest_batch, 1);
}

INSTANTIATE_TEST_SUITE_P(Models, DiffusersEngine,
                         ::testing::Values("dit", "flux_dev", "flux_schnell", "sd3", "sd3_no_t5",
                                           "pixart_alpha", "pixart_alpha_1024", "pixart_sigma"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace easel

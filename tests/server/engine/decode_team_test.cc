// A worker decodes with all of its threads.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <barrier>
#include <memory>
#include <utility>

#include "model/nn/spread.h"
#include "server/engine/measure_costs.h"
#include "tests/server/engine/studio.h"

namespace easel {
namespace {

constexpr int kThreads = 3;

// Hangs, were its pieces done one after another.
class SpreadAutoencoder : public Autoencoder {
 public:
  at::Tensor Encode(const at::Tensor& pixels) const override { return pixels; }
  at::Tensor Decode(const at::Tensor& latent) const override {
    std::barrier together(kThreads);
    InPieces(kThreads, 1, [&](int64_t, int64_t) { together.arrive_and_wait(); });
    return latent;
  }
  int64_t latent_channels() const override { return 3; }
  int64_t downscale() const override { return 1; }
};

std::shared_ptr<const Pipeline> SpreadPipeline() {
  PipelineParts parts = StagedParts(std::make_shared<Gate>());
  parts.autoencoder = std::make_unique<SpreadAutoencoder>();
  return std::make_shared<const Pipeline>(std::move(parts));
}

TEST(DecodeTeamTest, PicturesAndPreviewsHaveTheWholeTeam) {
  EngineOptions options;
  options.cpu_workers = 1;
  options.cpu_threads = kThreads;
  Engine engine({{"spread", SpreadPipeline()}}, WithTime(std::move(options)));
  const auto listener = std::make_shared<RecordingListener>();
  SubmitOptions preview;
  preview.preview_every_n_steps = 1;
  preview.preview_method = "decoder";
  const auto handles = engine.Submit("", {{Spec(1, 3), listener}}, preview);
  ASSERT_TRUE(handles.ok()) << handles.status();
  EXPECT_EQ(listener->AwaitEnd(), absl::OkStatus());
  EXPECT_EQ(listener->previews().size(), 2u);
}

TEST(DecodeTeamTest, CostsAreMeasuredWithTheWholeTeam) {
  const auto costs = MeasureCosts("spread", *SpreadPipeline(), {.workers = 1, .threads = kThreads}, /*max_rows=*/1);
  ASSERT_TRUE(costs.ok()) << costs.status();
}

}  // namespace
}  // namespace easel

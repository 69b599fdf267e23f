#include "server/engine/measure_costs.h"

#include <gtest/gtest.h>

#include <memory>

#include "model/denoise.h"
#include "model/pipeline.h"
#include "server/engine/cpu_layout.h"
#include "server/engine/memory_meter.h"
#include "tests/server/engine/staged_pipeline.h"
#include "tests/server/engine/studio.h"

namespace easel {
namespace {

TEST(MeasureCostsTest, MeasuresUntilDoublingNoLongerPays) {
  const auto pipeline = MakeStagedPipeline(std::make_shared<Gate>());
  const absl::StatusOr<ModelCosts> costs = MeasureCosts("tiny", *pipeline, CpuLayout{}, /*max_rows=*/4);
  ASSERT_TRUE(costs.ok()) << costs.status();
  EXPECT_EQ(costs->model, "tiny");
  EXPECT_EQ(costs->device, "cpu");
  EXPECT_EQ(costs->width, kStagedSize);
  EXPECT_GT(costs->decode_seconds, 0);
  ASSERT_GE(costs->forwards.size(), 1u);
  for (size_t i = 0; i < costs->forwards.size(); ++i) {
    EXPECT_EQ(costs->forwards[i].shape, (ForwardShape{0, 3, kStagedSize, kStagedSize, 0}));
    EXPECT_EQ(costs->forwards[i].rows, 1 << i);
    EXPECT_GT(costs->forwards[i].seconds, 0);
  }
}

TEST(CpuLayoutTest, UsesTheCores) {
  const auto pipeline = MakeStagedPipeline(std::make_shared<Gate>());
  for (int cores : {1, 2, 3}) {
    const absl::StatusOr<CpuLayout> layout = ChooseCpuLayout(*pipeline, cores);
    ASSERT_TRUE(layout.ok()) << layout.status();
    EXPECT_EQ(layout->workers * layout->threads, cores);
  }
}

TEST(MeasureCostsTest, TellsTheMemoryOfEachForwardAndOfADecode) {
  const auto pipeline = MakeStagedPipeline(std::make_shared<Gate>());
  const auto costs = MeasureCosts("tiny", *pipeline, CpuLayout{}, /*max_rows=*/2);
  ASSERT_TRUE(costs.ok()) << costs.status();
  const GenerationSpec spec = Spec(1, 1);
  const auto conditioning = pipeline->Encode(*pipeline->Tokenize(spec));
  const auto sampler = pipeline->MakeSampler(spec);
  const MemoryMeter of_forward, of_decode;
  {
    const MemoryMeter::Watch watch(of_forward);
    Denoise(pipeline->transformer(), {NextInput(**sampler, *conditioning)});
  }
  {
    const MemoryMeter::Watch watch(of_decode);
    ASSERT_TRUE(pipeline->Decode((*sampler)->Denoised(), spec).ok());
  }
  EXPECT_GT(costs->forwards[0].bytes, 0);
  EXPECT_NEAR(costs->forwards[0].bytes, of_forward.peak_bytes(), 0.1 * of_forward.peak_bytes());
  EXPECT_EQ(costs->decode_bytes, of_decode.peak_bytes());
}

}  // namespace
}  // namespace easel

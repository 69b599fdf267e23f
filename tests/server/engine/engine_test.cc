// What the engine is for: jobs that share forwards, and pictures that do not show it.
#include "server/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "model/pipeline.h"
#include "server/engine/thread_team.h"
#include "tests/server/engine/staged_pipeline.h"
#include "tests/server/engine/studio.h"
#include "tests/testing/recording_listener.h"

namespace easel {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

std::vector<int> BatchSizes(const Studio::Order& order) {
  std::vector<int> sizes;
  for (const JobProgress& progress : order.listener->progress()) sizes.push_back(progress.batch_size);
  return sizes;
}

// The main property: neither neighbours, nor joining, leaving and cancelled ones, nor previews, workers or
// threads show in a picture's bytes.
TEST(EngineTest, EqualsGenerateByteForByte) {
  UseOneIntraOpThread();
  for (int workers : {1, 2}) {
    for (int threads : {1, 2}) {
      EngineOptions options = Rows(6);
      options.cpu_workers = workers;
      options.cpu_threads = threads;
      Studio studio(options);
      std::mt19937 random(workers * 10 + threads);
      const auto any = [&](auto... values) {
        const std::vector<std::common_type_t<decltype(values)...>> all{values...};
        return all[random() % all.size()];
      };
      std::vector<Studio::Order> kept, cancelled;
      studio.gate->Hold();
      for (uint64_t seed = 0; seed < 30; ++seed) {
        GenerationSpec spec = Spec(seed, any(1, 2, 3, 5, 8), any(0.0, 1.0, 1.0, 3.5));
        spec.class_label = any(-1, 0, 1, 2);
        if (*spec.class_label < 0) spec.class_label.reset();
        if (spec.class_label && spec.guidance_scale > 1) spec.guidance_rescale = any(0.0, 0.5);
        spec.flow_shift = any(1.0, 3.0);
        spec.sampler = SamplerNames()[random() % SamplerNames().size()];
        SubmitOptions preview;
        preview.preview_every_n_steps = any(0, 1, 2);
        (seed % 5 == 4 ? cancelled : kept).push_back(studio.Submit(spec, preview));
        // The first ten are sure to meet, the others find some under way, if any.
        if (seed == 10) studio.gate->Release();
        if (seed % 5 == 0 && !cancelled.empty()) cancelled.back().handle.Cancel();
      }
      for (Studio::Order& order : cancelled) order.handle.Cancel();
      double largest_batch = 0;
      for (const Studio::Order& order : kept) {
        studio.ExpectItsPicture(order);
        largest_batch = std::max(largest_batch, order.listener->accounting().mean_batch_size);
      }
      EXPECT_GT(largest_batch, 1) << "nothing was shared, so nothing was shown";
    }
  }
}

TEST(EngineTest, AJobJoinsAtTheNextStepAndLeavesAfterItsLast) {
  Studio studio;
  studio.gate->Hold();
  const auto first = studio.Submit(Spec(1, 4, /*guidance_scale=*/3));
  studio.gate->AwaitForwards(1);
  const auto second = studio.Submit(Spec(2, 4));
  const auto third = studio.Submit(Spec(3, 1));
  studio.gate->Release();
  for (const auto* order : {&first, &second, &third}) studio.ExpectItsPicture(*order);
  EXPECT_THAT(BatchSizes(first), ElementsAre(1, 3, 2, 2));
  EXPECT_THAT(BatchSizes(second), ElementsAre(3, 2, 2, 1));
  EXPECT_THAT(BatchSizes(third), ElementsAre(3));
  EXPECT_THAT(first.listener->events(), ElementsAre("started cpu", "progress 1/4", "progress 2/4",
                                                    "progress 3/4", "progress 4/4", "image"));
}

TEST(EngineTest, ProgressAndAccounting) {
  Studio studio{EngineOptions()};
  GenerationSpec spec = Spec(1, 3);
  spec.sampler = "heun";
  const auto order = studio.Submit(spec);
  studio.ExpectItsPicture(order);
  const std::vector<JobProgress> progress = order.listener->progress();
  ASSERT_EQ(progress.size(), 3u);
  EXPECT_FLOAT_EQ(progress[0].time, 2.0 / 3);
  EXPECT_FLOAT_EQ(progress[1].time, 1.0 / 3);
  EXPECT_EQ(progress[2].time, 0);
  EXPECT_GT(progress[0].eta_seconds, 0);
  EXPECT_EQ(progress[2].eta_seconds, 0);
  const JobAccounting accounting = order.listener->accounting();
  EXPECT_EQ(accounting.steps, 3);
  EXPECT_EQ(accounting.forwards, 5) << "Heun evaluates twice a step, but for the last";
  EXPECT_EQ(accounting.mean_batch_size, 1);
  EXPECT_EQ(accounting.device, "cpu");
  EXPECT_GT(accounting.denoise_seconds, 0);
  EXPECT_GE(accounting.total_seconds, accounting.queue_seconds + accounting.encode_seconds +
                                          accounting.denoise_seconds + accounting.decode_seconds);
}

TEST(EngineTest, PreviewsEveryNthStepButNotAfterTheLast) {
  Studio studio;
  SubmitOptions options;
  options.preview_every_n_steps = 2;
  for (const char* method : {"", "linear", "decoder"}) {
    options.preview_method = method;
    const auto order = studio.Submit(Spec(1, 4), options);
    studio.ExpectItsPicture(order);
    EXPECT_THAT(order.listener->events(), ElementsAre("started cpu", "progress 1/4", "progress 2/4",
                                                      "preview 2", "progress 3/4", "progress 4/4", "image"));
    EXPECT_EQ(order.listener->previews()[0].width, kStagedSize);
  }
}

TEST(EngineTest, AtMostOneDecodeBetweenTwoForwards) {
  Studio studio;
  studio.gate->Hold();
  SubmitOptions by_decoder;
  by_decoder.preview_every_n_steps = 1;
  by_decoder.preview_method = "decoder";
  const auto long_one = studio.Submit(Spec(1, 7), by_decoder);
  studio.gate->AwaitForwards(1);
  const auto a = studio.Submit(Spec(2, 1)), b = studio.Submit(Spec(3, 1)), c = studio.Submit(Spec(4, 1));
  studio.gate->Release();
  for (const auto* order : {&long_one, &a, &b, &c}) EXPECT_TRUE(order->listener->AwaitEnd().ok());
  EXPECT_THAT(studio.gate->acts(),
              ElementsAre("forward 1", "decode", "forward 4", "decode", "forward 1", "decode", "forward 1",
                          "decode", "forward 1", "decode", "forward 1", "decode", "forward 1", "decode"));
  // Its previews of the steps at which others were finished came later, and newer.
  EXPECT_THAT(long_one.listener->events(), Contains("preview 5"));
  EXPECT_THAT(long_one.listener->events(), Not(Contains("preview 2")));
}

TEST(EngineTest, SeveralModelsTakeTurns) {
  UseOneIntraOpThread();
  const auto gate = std::make_shared<Gate>();
  const auto red = MakeStagedPipeline(gate, /*seed=*/1), blue = MakeStagedPipeline(gate, /*seed=*/2);
  Engine engine({{"red", red}, {"blue", blue}}, {});
  ASSERT_EQ(engine.models().size(), 2u);
  EXPECT_EQ(engine.models()[0].name, "red");
  EXPECT_EQ(engine.models()[1].device, "cpu");
  EXPECT_EQ(engine.models()[1].dtype, "float32");
  EXPECT_EQ(engine.models()[1].info.num_classes, kStagedClasses);

  const auto from_red = std::make_shared<RecordingListener>(),
             from_blue = std::make_shared<RecordingListener>();
  const auto a = engine.Submit("", {{Spec(7, 4), from_red}}),
             b = engine.Submit("blue", {{Spec(7, 4), from_blue}});
  ASSERT_TRUE(from_red->AwaitEnd().ok());
  ASSERT_TRUE(from_blue->AwaitEnd().ok());
  EXPECT_EQ(from_red->image().rgb, red->Generate(Spec(7, 4))->rgb);
  EXPECT_EQ(from_blue->image().rgb, blue->Generate(Spec(7, 4))->rgb);
  EXPECT_NE(from_red->image().rgb, from_blue->image().rgb);
  EXPECT_EQ(from_red->accounting().mean_batch_size, 1) << "models do not share a forward";
}

}  // namespace
}  // namespace easel

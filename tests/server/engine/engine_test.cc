#include "server/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "model/pipeline.h"
#include "server/engine/cpu_layout.h"
#include "server/engine/engine_observer.h"
#include "server/engine/estimate.h"
#include "server/engine/measure_costs.h"
#include "server/engine/thread_team.h"
#include "tests/server/engine/staged_pipeline.h"
#include "tests/server/engine/studio.h"
#include "tests/testing/recording_listener.h"

namespace easel {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

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
        spec.guidance_rescale = any(0.0, 0.5);
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

TEST(EngineTest, CancellingFreesTheSlotAndLeavesTheNeighboursAlone) {
  Studio studio(Rows(1));  // four jobs are active at a time
  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(Spec(0, 1000)));
  studio.gate->AwaitForwards(1);
  for (uint64_t seed = 1; seed < 5; ++seed) orders.push_back(studio.Submit(Spec(seed, 3)));
  studio.gate->PassOne();
  EXPECT_THAT(orders[4].listener->events(), ElementsAre("queued 0"));
  orders[0].handle.Cancel();
  orders[0].handle.Cancel();
  studio.gate->PassOne();
  EXPECT_EQ(orders[0].listener->AwaitEnd().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(orders[4].listener->events(), ElementsAre("queued 0", "started cpu"));
  studio.gate->Release();
  for (size_t i = 1; i < orders.size(); ++i) studio.ExpectItsPicture(orders[i]);
  EXPECT_EQ(orders[0].listener->ends(), 1);
}

TEST(EngineTest, DroppingTheHandleCancels) {
  Studio studio;
  studio.gate->Hold();
  std::shared_ptr<RecordingListener> listener;
  {
    const auto order = studio.Submit(Spec(1, 1000));
    listener = order.listener;
    studio.gate->AwaitForwards(1);
  }
  studio.gate->Release();
  EXPECT_EQ(listener->AwaitEnd().code(), absl::StatusCode::kCancelled);
}

TEST(EngineTest, PositionsInTheLineAreToldAsTheyChange) {
  EngineOptions options = Rows(1);
  options.known_costs = {KnownCosts(1)};
  Studio studio(options);
  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(Spec(0, 2)));
  studio.gate->AwaitForwards(1);
  for (uint64_t seed = 1; seed < 6; ++seed) orders.push_back(studio.Submit(Spec(seed, 2)));
  studio.gate->Release();
  for (const auto& order : orders) EXPECT_TRUE(order.listener->AwaitEnd().ok());
  EXPECT_EQ(orders[3].listener->events()[0], "started cpu");
  EXPECT_THAT(orders[4].listener->events(), Contains("queued 0").Times(1));
  const std::vector<std::string> last = orders[5].listener->events();
  EXPECT_EQ(std::vector<std::string>(last.begin(), last.begin() + 3),
            std::vector<std::string>({"queued 1", "queued 0", "started cpu"}));
  EXPECT_GT(orders[5].listener->estimated_wait_seconds().value_or(0), 0) << "a forward had been measured";
}

TEST(EngineTest, AFullQueueRefusesAllOfARequest) {
  EngineOptions options = Rows(1);
  options.max_queue = 2;
  Studio studio(options);
  studio.gate->Hold();
  const auto first = studio.Submit(Spec(0, 1));
  studio.gate->AwaitForwards(1);
  const auto second = studio.Submit(Spec(1, 1));
  const auto a = std::make_shared<RecordingListener>(), b = std::make_shared<RecordingListener>();
  EXPECT_EQ(studio.engine->Submit("tiny", {{Spec(2, 1), a}, {Spec(3, 1), b}}).status().code(),
            absl::StatusCode::kResourceExhausted);
  const auto third = studio.Submit(Spec(4, 1));
  EXPECT_EQ(studio.Refusal(Spec(5, 1)).code(), absl::StatusCode::kResourceExhausted);
  studio.gate->Release();
  for (const auto* order : {&first, &second, &third}) studio.ExpectItsPicture(*order);
  EXPECT_THAT(a->events(), IsEmpty());
  EXPECT_THAT(b->events(), IsEmpty());
}

TEST(EngineTest, RefusalsNameTheField) {
  Studio studio;
  GenerationSpec spec = Spec(0, 0);
  EXPECT_EQ(studio.Refusal(spec).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(studio.Refusal(spec).message()), StartsWith("num_inference_steps"));
  SubmitOptions options;
  options.preview_method = "crystal ball";
  EXPECT_THAT(std::string(studio.Refusal(Spec(0, 1), options).message()), StartsWith("preview_method"));
  options = {};
  options.preview_every_n_steps = -1;
  EXPECT_THAT(std::string(studio.Refusal(Spec(0, 1), options).message()),
              StartsWith("preview_every_n_steps"));
  EXPECT_THAT(std::string(studio.engine->Submit("tiny", {}).status().message()), StartsWith("num_images"));
  EXPECT_EQ(studio.engine->Submit("other", {{Spec(0, 1), nullptr}}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(EngineTest, DeadlinesEndWaitingAndRunningJobs) {
  std::atomic<int64_t> clock = 100;
  EngineOptions options = Rows(1);
  options.now = [&clock] { return absl::FromUnixSeconds(clock); };
  Studio studio(options);
  SubmitOptions until_110;
  until_110.deadline = absl::FromUnixSeconds(110);

  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(Spec(0, 1000), until_110));
  studio.gate->AwaitForwards(1);
  for (uint64_t seed = 1; seed < 5; ++seed) orders.push_back(studio.Submit(Spec(seed, 1000), until_110));
  studio.gate->PassOne();
  clock = 110;
  EXPECT_EQ(studio.Refusal(Spec(5, 1), until_110).code(), absl::StatusCode::kDeadlineExceeded);
  studio.gate->Release();
  for (const auto& order : orders) {
    EXPECT_EQ(order.listener->AwaitEnd().code(), absl::StatusCode::kDeadlineExceeded);
  }
  EXPECT_THAT(orders[4].listener->events(), ElementsAre("queued 0", "failure DEADLINE_EXCEEDED"));
  EXPECT_EQ(orders[4].listener->accounting().queue_seconds, 10);
  studio.ExpectItsPicture(studio.Submit(Spec(6, 3)));
}

// Forwards take a second each, on a clock that stands still but for the tests: what is done is judged by
// that.
EngineOptions ASecondAForward(int max_batch_rows) {
  EngineOptions options = Rows(max_batch_rows);
  options.known_costs = {KnownCosts(1)};
  return options;
}
SubmitOptions WithDeadline(int seconds) {
  SubmitOptions options;
  options.deadline = absl::FromUnixSeconds(1 + seconds);
  return options;
}

TEST(EngineTest, WhatCannotBeDoneEvenAloneIsRefusedAtOnceWithTheEstimate) {
  Studio studio(ASecondAForward(1));
  const absl::Status refused = studio.Refusal(Spec(1, 6), WithDeadline(5));
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(EstimatedSeconds(refused), 6);
  studio.ExpectItsPicture(studio.Submit(Spec(2, 5), WithDeadline(5)));
}

TEST(EngineTest, WhatCannotBeDoneBehindAcceptedWorkIsRefusedBeforeItStarts) {
  std::atomic<int64_t> clock = 1;
  EngineOptions options = ASecondAForward(1);
  options.now = [&clock] { return absl::FromUnixSeconds(clock); };
  Studio studio(options);
  studio.gate->Hold();
  const auto accepted = studio.Submit(Spec(1, 5), WithDeadline(8));
  studio.gate->AwaitForwards(1);
  const auto earlier = studio.Submit(Spec(2, 2), WithDeadline(7));
  const auto refused = studio.Submit(Spec(3, 3), WithDeadline(8));
  const auto patient = studio.Submit(Spec(4, 3));
  clock = 2;  // the first forward took its second
  studio.gate->PassOne();
  EXPECT_EQ(refused.listener->AwaitEnd().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(refused.listener->events(), ElementsAre("failure DEADLINE_EXCEEDED")) << "never started";
  EXPECT_EQ(refused.listener->accounting().estimated_seconds, 1 + 4 + 2 + 3);
  studio.gate->Release();
  for (const auto* order : {&accepted, &earlier, &patient}) studio.ExpectItsPicture(*order);
}

TEST(EngineTest, AHopelessJobLeavesAtTheNextStepAndItsSlotWorksForAnother) {
  std::atomic<int64_t> clock = 1;
  EngineOptions options = ASecondAForward(1);
  options.now = [&clock] { return absl::FromUnixSeconds(clock); };
  Studio studio(options);
  studio.gate->Hold();
  const auto hopeless = studio.Submit(Spec(1, 5), WithDeadline(7));
  studio.gate->AwaitForwards(1);
  const auto other = studio.Submit(Spec(2, 2));
  clock = 5;  // a forward took four times as long as foreseen: 4 s for 4 forwards would be too late by one
  studio.gate->PassOne();
  EXPECT_EQ(hopeless.listener->AwaitEnd().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(hopeless.listener->events(),
              ElementsAre("started cpu", "progress 1/5", "failure DEADLINE_EXCEEDED"));
  EXPECT_NEAR(hopeless.listener->accounting().estimated_seconds.value_or(0), 8, 0.2);
  studio.gate->Release();
  studio.ExpectItsPicture(other);
}

TEST(EngineTest, ATenantsCapIsItsOwn) {
  EngineOptions options = Untimed();
  options.max_tenant_jobs = 1;
  Studio studio(options);
  studio.gate->Hold();
  SubmitOptions of_a, of_b;
  of_a.tenant = "a";
  of_b.tenant = "b";
  const auto a = studio.Submit(Spec(1, 2), of_a);
  EXPECT_EQ(studio.Refusal(Spec(2, 2), of_a).code(), absl::StatusCode::kResourceExhausted);
  const auto b = studio.Submit(Spec(3, 2), of_b);
  studio.gate->Release();
  studio.ExpectItsPicture(a);
  studio.ExpectItsPicture(b);
}

TEST(EngineTest, HigherPriorityGoesFirst) {
  Studio studio(ASecondAForward(1));
  studio.gate->Hold();
  const auto first = studio.Submit(Spec(1, 3));
  studio.gate->AwaitForwards(1);
  SubmitOptions urgent;
  urgent.priority = 1;
  const auto second = studio.Submit(Spec(2, 3));
  const auto third = studio.Submit(Spec(3, 3), urgent);
  for (int i = 0; i < 4; ++i) studio.gate->PassOne();
  EXPECT_THAT(third.listener->events(), Contains("progress 3/3"))
      << "time stands still, and nothing else counts";
  EXPECT_THAT(second.listener->events(), Not(Contains("progress 1/3")));
  studio.gate->Release();
  for (const auto* order : {&first, &second, &third}) studio.ExpectItsPicture(*order);
}

TEST(EngineTest, DrainFinishesWhatItHasAndTakesNoMore) {
  Studio studio(Rows(1));
  std::vector<Studio::Order> orders;
  for (uint64_t seed = 0; seed < 8; ++seed) orders.push_back(studio.Submit(Spec(seed, 3)));
  studio.engine->Drain(absl::InfiniteFuture());
  for (const auto& order : orders) {
    EXPECT_EQ(order.listener->ends(), 1) << "all events came before Drain returned";
    studio.ExpectItsPicture(order);
  }
  EXPECT_EQ(studio.Refusal(Spec(9, 1)).code(), absl::StatusCode::kUnavailable);
  studio.engine->Drain(absl::InfiniteFuture());
}

TEST(EngineTest, DrainFailsWhatIsNotDoneInTime) {
  Studio studio(Rows(1));
  std::vector<Studio::Order> orders;
  for (uint64_t seed = 0; seed < 6; ++seed) orders.push_back(studio.Submit(Spec(seed, 1000000)));
  orders[0].listener->Await("progress 1/1000000");
  studio.engine.reset();
  for (const auto& order : orders) {
    EXPECT_EQ(order.listener->ends(), 1);
    EXPECT_EQ(order.listener->status().code(), absl::StatusCode::kUnavailable);
  }
}

TEST(EngineTest, WhatTheNetworkThrowsEndsTheCulpritAlone) {
  for (int threads : {1, 2}) {
    EngineOptions options = Untimed();
    options.cpu_threads = threads;
    Studio studio(options);
    studio.gate->Hold();
    const auto first = studio.Submit(Spec(1, 5));
    studio.gate->AwaitForwards(1);
    const auto culprit = studio.Submit(WithClass(Spec(2, 5), kThrowingClass));
    const auto other = studio.Submit(Spec(3, 5, /*guidance_scale=*/3));
    studio.gate->Release();
    const absl::Status status = culprit.listener->AwaitEnd();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_TRUE(absl::StrContains(status.message(), "the network broke")) << status;
    studio.ExpectItsPicture(first);
    studio.ExpectItsPicture(other);
    EXPECT_EQ(culprit.listener->ends(), 1);
  }
}

TEST(EngineTest, NanEndsItsOwnPictureAlone) {
  Studio studio;
  studio.gate->Hold();
  const auto first = studio.Submit(Spec(1, 5));
  studio.gate->AwaitForwards(1);
  const auto culprit = studio.Submit(WithClass(Spec(2, 5), kNanClass));
  studio.gate->Release();
  EXPECT_EQ(culprit.listener->AwaitEnd().code(), absl::StatusCode::kInternal);
  studio.ExpectItsPicture(first);
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

// Counts what an engine tells of itself.
class CountingObserver : public EngineObserver {
 public:
  void OnAdmitted(std::string_view model, int jobs) override { admitted += jobs; }
  void OnRejected(std::string_view model, absl::StatusCode code, int jobs) override { rejected += jobs; }
  void OnDepthChanged(int waiting_more, int active_more) override {
    waiting += waiting_more;
    active += active_more;
  }
  void OnStarted(std::string_view model, double queue_seconds) override { ++started; }
  void OnFinished(std::string_view model, absl::StatusCode code, const JobAccounting& accounting) override {
    ++(code == absl::StatusCode::kOk ? finished : failed);
  }
  void OnEvaluated(std::string_view model, std::string_view device, int rows, int max_rows, int jobs,
                   double seconds) override {
    evaluated_rows += rows;
    EXPECT_EQ(model, "tiny");
    EXPECT_EQ(device, "cpu");
    EXPECT_LE(rows, max_rows);
  }
  void OnStage(std::string_view model, Stage stage, double seconds) override {
    ++stages[static_cast<int>(stage)];
  }
  void OnPreview(std::string_view model, bool first, double seconds_since_submit) override {
    previews += first ? 1 : 100;
  }

  std::atomic<int> admitted = 0, rejected = 0, waiting = 0, active = 0, started = 0, finished = 0, failed = 0;
  std::atomic<int> evaluated_rows = 0, previews = 0, stages[4] = {};
};

TEST(EngineTest, TheObserverSeesItAll) {
  CountingObserver observer;
  EngineOptions options = Untimed();
  options.observer = &observer;
  Studio studio(options);
  std::vector<PictureRequest> pictures;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    pictures.push_back({Spec(seed, 2, /*guidance_scale=*/2), std::make_shared<RecordingListener>()});
  }
  SubmitOptions preview;
  preview.preview_every_n_steps = 1;
  const auto handles = studio.engine->Submit("tiny", pictures, preview);
  ASSERT_TRUE(handles.ok());
  const auto culprit = studio.Submit(WithClass(Spec(9, 2), kThrowingClass));
  EXPECT_FALSE(studio.Refusal(Spec(0, 0)).ok());
  studio.engine->Drain(absl::InfiniteFuture());
  EXPECT_EQ(observer.admitted, 4);
  EXPECT_EQ(observer.rejected, 1);
  EXPECT_EQ(observer.started, 4);
  EXPECT_EQ(observer.finished, 3);
  EXPECT_EQ(observer.failed, 1);
  EXPECT_EQ(observer.waiting, 0);
  EXPECT_EQ(observer.active, 0);
  EXPECT_EQ(observer.evaluated_rows, 3 * 2 * 2);
  EXPECT_EQ(observer.previews, 3);
  EXPECT_EQ(observer.stages[static_cast<int>(Stage::kTokenize)], 2) << "a request's pictures share it";
  EXPECT_EQ(observer.stages[static_cast<int>(Stage::kDecode)], 3);
}

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

}  // namespace
}  // namespace easel

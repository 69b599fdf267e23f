// What breaks below the engine, and who suffers for it: nobody but those at fault.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "server/engine/engine.h"
#include "server/engine/engine_observer.h"
#include "tests/server/engine/studio.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Orders that are sure to share their forwards.
std::vector<Studio::Order> Together(Studio& studio, const std::vector<GenerationSpec>& specs) {
  studio.gate->Hold();
  std::vector<Studio::Order> orders;
  for (const GenerationSpec& spec : specs) {
    orders.push_back(studio.Submit(spec));
    if (orders.size() == 1) studio.gate->AwaitForwards(1);
  }
  return orders;
}

TEST(FaultTest, ABatchTooBigForTheMemoryIsTriedInHalvesAndTheCapLowered) {
  Studio studio;
  auto orders = Together(studio, {Spec(0, 1), Spec(1, 3), Spec(2, 3), Spec(3, 3), Spec(4, 3)});
  studio.gate->FitRows(3);
  studio.gate->Release();
  for (const auto& order : orders) EXPECT_TRUE(order.listener->AwaitEnd().ok());
  std::vector<std::string> forwards;
  for (const std::string& act : studio.gate->acts()) {
    if (act.starts_with("forward")) forwards.push_back(act);
  }
  EXPECT_THAT(forwards, ElementsAre("forward 1", "forward 4", "forward 2", "forward 2",    // the first step
                                    "forward 2", "forward 2", "forward 2", "forward 2"));  // never 4 again
  for (const auto& order : orders) studio.ExpectItsPicture(order);
}

TEST(FaultTest, OutOfMemoryEndsTheCulpritAloneAndNamesItsShape) {
  Studio studio;
  auto orders =
      Together(studio, {Spec(1, 4), WithClass(Spec(2, 4), kHungryClass), Spec(3, 4, 3), Spec(4, 4)});
  studio.gate->Release();
  const absl::Status status = orders[1].listener->AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("8 × 8 (1 row) is too big for the memory of cpu"));
  for (int i : {0, 2, 3}) studio.ExpectItsPicture(orders[i]);
}

TEST(FaultTest, ANetworkThatThrowsAmidOutOfMemoryEndsItsJobAlone) {
  Studio studio;
  auto orders = Together(studio, {Spec(1, 4), WithClass(Spec(2, 4), kThrowingClass), Spec(3, 4), Spec(4, 4)});
  studio.gate->FitRows(2);
  studio.gate->Release();
  EXPECT_EQ(orders[1].listener->AwaitEnd().code(), absl::StatusCode::kInternal);
  for (int i : {0, 2, 3}) studio.ExpectItsPicture(orders[i]);
}

// The staged decoder makes black of what is not a number.
TEST(FaultTest, NanInALatentIsInternalAndNeverABlackPicture) {
  Studio studio;
  auto orders = Together(studio, {Spec(1, 4), WithClass(Spec(2, 4), kNanClass), Spec(3, 4, 3)});
  studio.gate->Release();
  const absl::Status status = orders[1].listener->AwaitEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not finite"));
  for (int i : {0, 2}) studio.ExpectItsPicture(orders[i]);
}

// Remembers which models went down, and how many jobs are in the engine.
class DownObserver : public EngineObserver {
 public:
  void OnModelDown(std::string_view model) override {
    MutexLock lock(&mutex_);
    down_.emplace_back(model);
  }
  void OnDepthChanged(int waiting, int active) override {
    waiting_ += waiting;
    active_ += active;
  }
  std::vector<std::string> down() const {
    MutexLock lock(&mutex_);
    return down_;
  }
  int jobs() const { return waiting_ + active_; }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> down_;
  std::atomic<int> waiting_ = 0, active_ = 0;
};

TEST(FaultTest, ALostDeviceFailsWhatRunsAndItsModelIsDown) {
  DownObserver observer;
  EngineOptions options = Rows(1);  // four jobs are active, the others wait
  options.observer = &observer;
  Studio studio(options);
  auto orders = Together(studio, {Spec(1, 1000), WithClass(Spec(2, 4), kDeviceLosingClass), Spec(3, 4),
                                  Spec(4, 4), Spec(5, 4), Spec(6, 4)});
  studio.gate->Release();
  for (const auto& order : orders) {
    EXPECT_EQ(order.listener->AwaitEnd().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(order.listener->ends(), 1);
  }
  EXPECT_THAT(observer.down(), ElementsAre("tiny"));
  EXPECT_EQ(studio.Refusal(Spec(7, 1)).code(), absl::StatusCode::kUnavailable);
  studio.engine->Drain(absl::InfiniteFuture());
  EXPECT_EQ(observer.jobs(), 0);
}

// The worker has counted its tenant's jobs neither when they come nor when they end.
TEST(FaultTest, ALostDeviceEndsWhatItsWorkerHadNotReceived) {
  Studio studio;
  SubmitOptions of_one, of_another;
  of_one.tenant = "one";
  of_another.tenant = "another";
  studio.gate->Hold();
  const auto fatal = studio.Submit(WithClass(Spec(1, 4), kDeviceLosingClass), of_one);
  studio.gate->AwaitForwards(1);
  const auto unseen = studio.Submit(Spec(2, 4), of_another);
  const auto of_the_same = studio.Submit(Spec(3, 4), of_one);
  studio.gate->Release();
  for (const auto* order : {&fatal, &unseen, &of_the_same}) {
    EXPECT_EQ(order->listener->AwaitEnd().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(order->listener->ends(), 1);
  }
}

TEST(FaultTest, TheWaitingJobsOfADeadWorkerMoveToAnother) {
  DownObserver observer;
  EngineOptions options = Rows(1);
  options.cpu_workers = 2;
  options.observer = &observer;
  options.known_costs = {KnownCosts(/*seconds=*/1)};
  Studio studio(options);
  studio.gate->Hold();
  // The longest job keeps the second worker busy, and so all others go to the first, which dies at once of
  // its own.
  std::vector<Studio::Order> orders;
  orders.push_back(studio.Submit(WithClass(Spec(0, 1), kDeviceLosingClass)));
  auto elsewhere = studio.Submit(Spec(1, 1000));
  studio.gate->AwaitForwards(2);
  for (uint64_t seed = 2; seed < 10; ++seed) orders.push_back(studio.Submit(Spec(seed, 3)));
  studio.gate->Release();
  EXPECT_EQ(orders[0].listener->AwaitEnd().code(), absl::StatusCode::kUnavailable);
  for (size_t i = 1; i < orders.size(); ++i) studio.ExpectItsPicture(orders[i]);
  elsewhere.handle.Cancel();
  const auto later = studio.Submit(Spec(11, 2));
  studio.ExpectItsPicture(later);
  EXPECT_THAT(observer.down(), ElementsAre()) << "one worker is left";
  studio.engine->Drain(absl::InfiniteFuture());
  EXPECT_EQ(observer.jobs(), 0);
}

TEST(FaultTest, ADeadWorkerHangsNeitherDrainNorTheDestructor) {
  for (const absl::Time deadline : {absl::InfiniteFuture(), absl::InfinitePast()}) {
    EngineOptions options = Rows(1);
    options.cpu_workers = 2;
    Studio studio(options);
    std::vector<Studio::Order> orders;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      orders.push_back(studio.Submit(WithClass(Spec(seed, 3), seed % 7 == 3 ? kDeviceLosingClass : 1)));
    }
    studio.engine->Drain(deadline);
    for (const auto& order : orders) EXPECT_EQ(order.listener->ends(), 1);
  }
}

TEST(FaultTest, StopEndsADrainUnderWay) {
  Studio studio;
  studio.gate->Hold();
  const auto order = studio.Submit(Spec(1, 1000));
  studio.gate->AwaitForwards(1);
  std::thread drain([&] { studio.engine->Drain(absl::InfiniteFuture()); });
  studio.engine->Stop();
  EXPECT_EQ(studio.Refusal(Spec(2, 1)).code(), absl::StatusCode::kUnavailable);
  studio.gate->Release();
  drain.join();
  EXPECT_EQ(order.listener->status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(studio.gate->acts().size(), 1000u);
}

TEST(FaultTest, WhatTheNetworkThrowsEndsTheCulpritAlone) {
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

TEST(FaultTest, NanEndsItsOwnPictureAlone) {
  Studio studio;
  studio.gate->Hold();
  const auto first = studio.Submit(Spec(1, 5));
  studio.gate->AwaitForwards(1);
  const auto culprit = studio.Submit(WithClass(Spec(2, 5), kNanClass));
  studio.gate->Release();
  EXPECT_EQ(culprit.listener->AwaitEnd().code(), absl::StatusCode::kInternal);
  studio.ExpectItsPicture(first);
}

}  // namespace
}  // namespace easel

#include "server/engine/engine_observer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "server/engine/engine.h"
#include "tests/server/engine/studio.h"
#include "tests/testing/recording_listener.h"

namespace easel {
namespace {

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

TEST(EngineObserverTest, TheObserverSeesItAll) {
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

}  // namespace
}  // namespace easel

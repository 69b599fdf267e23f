#include "server/service/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "google/rpc/error_details.pb.h"
#include "server/image/png.h"
#include "tests/server/service/picture_events.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A generation, the pool behind it, and its caller's stream, which is woken.
class Mailbox : public ServiceObserver {
 public:
  explicit Mailbox(GenerationPlan plan) {
    const int pictures = static_cast<int>(plan.pictures.size());
    Generation::Options options;
    options.id = "id";
    options.arrived = absl::UnixEpoch();
    options.now = [] { return absl::UnixEpoch() + absl::Seconds(9); };
    options.pool = &pool_;
    options.observer = this;
    generation_ = std::make_shared<Generation>(std::move(plan), std::move(options));
    Generation::ReaderOptions reader;
    reader.wake = [this] { Wake(); };
    reader.owns = true;
    stream_ = std::make_unique<EventStream>(generation_, std::move(reader));
    for (int i = 0; i < pictures; ++i) listeners_.push_back(generation_->Listener(i));
  }
  // One handle a picture, whose cancel flags can be looked at.
  void Begin(TokensCut tokens_cut = {}) {
    std::vector<JobHandle> handles;
    for (size_t i = 0; i < listeners_.size(); ++i) {
      cancelled_.push_back(std::make_shared<CancelFlag>(false));
      handles.emplace_back(cancelled_.back(), tokens_cut);
    }
    generation_->Begin(std::move(handles));
  }
  // Keeps the pool's thread busy until Release.
  void HoldPool() {
    pool_.Submit([this] { release_.WaitForNotification(); });
  }
  void Release() { release_.Notify(); }
  // Until the pool has done all that it was given, and what that gave it.
  void AwaitPool() {
    for (int rounds = 0; rounds < 3; ++rounds) {
      absl::Notification done;
      pool_.Submit([&done] { done.Notify(); });
      done.WaitForNotification();
    }
  }

  JobListener& job(int index) { return *listeners_[index]; }
  EventStream& stream() { return *stream_; }
  bool cancelled(int index) { return *cancelled_[index]; }
  int wakes() {
    absl::MutexLock lock(&mutex_);
    return wakes_;
  }

  EventStream::Item Next() { return stream_->Next(); }
  // All there is now.
  std::vector<std::string> Read() {
    std::vector<std::string> all;
    for (;;) {
      EventStream::Item item = stream_->Next();
      if (const auto* event = std::get_if<v1::GenerationEvent>(&item)) {
        EXPECT_LT(event->ByteSizeLong(), size_t{4} << 20);
        EXPECT_EQ(event->generation_id(), "id");
        all.push_back(Describe(*event));
      } else {
        if (const auto* status = std::get_if<absl::Status>(&item)) {
          end_ = *status;
          all.push_back(absl::StatusCodeToString(status->code()));
        }
        return all;
      }
    }
  }
  const absl::Status& end() const { return end_; }

  void OnPreviewSent(std::string_view) override { ++sent_; }
  void OnPreviewCoalesced(std::string_view) override { ++coalesced_; }
  std::atomic<int> sent_ = 0, coalesced_ = 0;

 private:
  void Wake() {
    absl::MutexLock lock(&mutex_);
    ++wakes_;
  }

  absl::Mutex mutex_;
  int wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Notification release_;
  ThreadPool pool_{1};
  std::vector<std::shared_ptr<CancelFlag>> cancelled_;
  std::vector<std::shared_ptr<JobListener>> listeners_;
  std::shared_ptr<Generation> generation_;
  std::unique_ptr<EventStream> stream_;
  absl::Status end_;
};

TEST(EventStreamTest, TellsOnePictureFromQueueToEnd) {
  Mailbox mailbox(PlanOf(1));
  mailbox.Begin();
  mailbox.job(0).OnQueued(3, 1.5);
  mailbox.job(0).OnStarted("cpu");
  mailbox.job(0).OnProgress(Step(1));
  EXPECT_THAT(mailbox.Read(), ElementsAre("queued 3", "started cpu", "0: progress 1"));
  mailbox.job(0).OnPreview(1, Grey(2));
  mailbox.AwaitPool();
  mailbox.job(0).OnProgress(Step(2));
  EXPECT_THAT(mailbox.Read(), ElementsAre("0: progress 2", "0: preview 1"));
  mailbox.job(0).OnImage(Grey(2), On("cpu"));
  mailbox.AwaitPool();
  EXPECT_THAT(mailbox.Read(), ElementsAre("0: image 12 last", "done", "OK"));
}

TEST(EventStreamTest, ASlowReaderGetsTheNewestOfEachAndEveryPicture) {
  Mailbox mailbox(PlanOf(2));
  mailbox.Begin();
  mailbox.HoldPool();
  for (int i = 0; i < 2; ++i) {
    mailbox.job(i).OnQueued(9, std::nullopt);
    mailbox.job(i).OnQueued(8, std::nullopt);
    mailbox.job(i).OnStarted("cpu");
    for (int step = 1; step <= 4; ++step) {
      mailbox.job(i).OnProgress(Step(step));
      if (step < 4) mailbox.job(i).OnPreview(step, Grey(2));
    }
    mailbox.job(i).OnImage(Grey(4), {});
  }
  mailbox.Release();
  mailbox.AwaitPool();
  EXPECT_THAT(mailbox.Read(),
              ElementsAre("queued 8", "started cpu", "0: progress 4", "0: preview 3", "0: image 48 last",
                          "1: progress 4", "1: preview 3", "1: image 48 last", "done", "OK"));
  EXPECT_EQ(mailbox.sent_, 2);
  EXPECT_EQ(mailbox.coalesced_, 4);
}

TEST(EventStreamTest, AnUnreadPreviewIsReplacedByANewerOne) {
  Mailbox mailbox(PlanOf(1));
  mailbox.Begin();
  mailbox.job(0).OnStarted("cpu");
  for (int step = 1; step <= 3; ++step) {
    mailbox.job(0).OnPreview(step, Grey(2));
    mailbox.AwaitPool();
  }
  EXPECT_THAT(mailbox.Read(), ElementsAre("started cpu", "0: preview 3"));
  EXPECT_EQ(mailbox.coalesced_, 2);
}

TEST(EventStreamTest, ALargePictureComesInPiecesThatNothingInterrupts) {
  constexpr int kSide = 1024;  // 3 MiB of rows
  Mailbox mailbox(PlanOf(2));
  mailbox.Begin();
  mailbox.job(0).OnStarted("cpu");
  mailbox.job(0).OnImage(Grey(kSide), {});
  mailbox.AwaitPool();
  EXPECT_EQ(Describe(std::get<v1::GenerationEvent>(mailbox.Next())), "started cpu");
  EXPECT_EQ(Describe(std::get<v1::GenerationEvent>(mailbox.Next())), "0: image 1048576");
  mailbox.job(1).OnProgress(Step(1));
  EXPECT_THAT(mailbox.Read(), ElementsAre("0: image 1048576", "0: image 1048576 last", "1: progress 1"));
}

TEST(EventStreamTest, PiecesJoinToThePictureWithItsSeed) {
  GenerationPlan plan = PlanOf(2, ImageFormat::kPng);
  plan.embed_parameters = true;
  plan.resolved.set_num_inference_steps(4);
  plan.resolved.set_seed(7);
  Mailbox mailbox(std::move(plan));
  mailbox.Begin();
  mailbox.job(1).OnStarted("cpu");
  mailbox.job(1).OnImage(Grey(8), {});
  mailbox.AwaitPool();
  mailbox.Next();  // started
  const v1::GenerationEvent event = std::get<v1::GenerationEvent>(mailbox.Next());
  EXPECT_EQ(event.image().seed(), 8u);
  EXPECT_EQ(event.image().format(), v1::IMAGE_FORMAT_PNG);
  const auto png = DecodePng(event.image().chunk());
  ASSERT_TRUE(png.ok()) << png.status();
  EXPECT_EQ(png->image.rgb, Grey(8).rgb);
  EXPECT_THAT(png->parameters, HasSubstr("Seed: 8"));
}

TEST(EventStreamTest, PreviewsAreShrunkToWhatWasAskedAndToWhatOneMessageTakes) {
  GenerationPlan plan = PlanOf(1);
  plan.preview_max_size = 4;
  Mailbox small(std::move(plan));
  small.Begin();
  small.job(0).OnPreview(1, Grey(16));
  small.AwaitPool();
  EXPECT_EQ(std::get<v1::GenerationEvent>(small.Next()).preview().width(), 4u);

  Mailbox large(PlanOf(1));
  large.Begin();
  large.job(0).OnPreview(1, Grey(2048));
  large.AwaitPool();
  const v1::GenerationEvent event = std::get<v1::GenerationEvent>(large.Next());
  EXPECT_EQ(event.preview().width(), 1024u);
  EXPECT_LT(event.ByteSizeLong(), size_t{4} << 20);
}

TEST(EventStreamTest, NothingGoesOutBeforeTheHandlesAreIn) {
  Mailbox mailbox(PlanOf(1));
  mailbox.job(0).OnStarted("cpu");
  EXPECT_THAT(mailbox.Read(), ElementsAre());
  EXPECT_EQ(mailbox.wakes(), 0);
  mailbox.Begin();
  EXPECT_EQ(mailbox.wakes(), 1);
  EXPECT_THAT(mailbox.Read(), ElementsAre("started cpu"));
}

TEST(EventStreamTest, WakesOnceForAReaderThatWaitsAndNeverAnother) {
  Mailbox mailbox(PlanOf(1));
  mailbox.Begin();
  mailbox.job(0).OnStarted("cpu");
  EXPECT_EQ(mailbox.wakes(), 0);
  mailbox.Read();
  mailbox.job(0).OnProgress(Step(1));
  mailbox.job(0).OnProgress(Step(2));
  EXPECT_EQ(mailbox.wakes(), 1);
  EXPECT_THAT(mailbox.Read(), ElementsAre("0: progress 2"));
  mailbox.job(0).OnProgress(Step(3));
  EXPECT_EQ(mailbox.wakes(), 2);
}

TEST(EventStreamTest, WarnsOfWhatWasCut) {
  GenerationPlan plan = PlanOf(1);
  plan.resolved.set_prompt("long");
  Mailbox mailbox(std::move(plan));
  mailbox.Begin({.prompt = 5, .negative_prompt = 1});
  mailbox.job(0).OnStarted("cpu");
  const v1::Started started = std::get<v1::GenerationEvent>(mailbox.Next()).started();
  ASSERT_EQ(started.warnings_size(), 2);
  EXPECT_EQ(started.warnings(0).field(), "prompt");
  EXPECT_EQ(started.warnings(0).tokens_cut(), 5u);
  EXPECT_EQ(started.warnings(0).message(),
            "is longer than the model reads: 5 tokens were cut off at the end");
  EXPECT_EQ(started.warnings(1).field(), "negative_prompt");
  EXPECT_EQ(started.warnings(1).tokens_cut(), 1u);
}

TEST(EventStreamTest, AFailureCancelsTheOthersAndFinishedPicturesStillArrive) {
  Mailbox mailbox(PlanOf(3));
  mailbox.Begin();
  mailbox.job(0).OnStarted("cpu");
  mailbox.job(0).OnImage(Grey(2), {});
  mailbox.AwaitPool();
  mailbox.job(1).OnFailure(absl::InternalError("NaN"), {});
  EXPECT_TRUE(mailbox.cancelled(2));
  mailbox.job(2).OnProgress(Step(1));
  EXPECT_THAT(mailbox.Read(), ElementsAre("0: image 12 last"));
  mailbox.job(2).OnFailure(absl::CancelledError(), {});
  EXPECT_THAT(mailbox.Read(), ElementsAre("INTERNAL"));
  EXPECT_THAT(std::string(mailbox.end().message()), HasSubstr("id"));
}

TEST(EventStreamTest, AMissedDeadlineTellsHowLongItWouldHaveTaken) {
  Mailbox mailbox(PlanOf(1));
  mailbox.Begin();
  JobAccounting accounting = On("cpu");
  accounting.denoise_seconds = 2;
  accounting.total_seconds = 3;
  accounting.steps = 1;
  mailbox.job(0).OnFailure(absl::DeadlineExceededError("too late"), accounting);
  mailbox.Read();
  google::rpc::ErrorInfo info;
  const auto payload = mailbox.end().GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  ASSERT_TRUE(payload.has_value());
  ASSERT_TRUE(info.ParseFromString(std::string(*payload)));
  EXPECT_EQ(info.metadata().at("steps_done"), "1");
  EXPECT_EQ(info.metadata().at("estimated_seconds"), "9");  // 3 so far, 3 steps of 2 to go
}

TEST(EventStreamTest, CancelDropsTheJobsAndEndsAtOnce) {
  Mailbox mailbox(PlanOf(2));
  mailbox.Begin();
  mailbox.job(0).OnStarted("cpu");
  mailbox.Read();
  mailbox.stream().Leave(absl::CancelledError("gone"));
  EXPECT_EQ(mailbox.wakes(), 1);
  EXPECT_TRUE(mailbox.cancelled(0) && mailbox.cancelled(1));
  EXPECT_THAT(mailbox.Read(), ElementsAre("CANCELLED"));
  mailbox.job(0).OnImage(Grey(2), {});  // came too late; nobody minds
  mailbox.job(1).OnFailure(absl::CancelledError(), {});
  EXPECT_EQ(mailbox.wakes(), 1);
}

TEST(EventStreamTest, AccountingIsSummedOverThePictures) {
  Mailbox mailbox(PlanOf(2));
  mailbox.Begin();
  mailbox.job(0).OnStarted("cpu");
  JobAccounting one;
  one.queue_seconds = 2;
  one.encode_seconds = 1;
  one.denoise_seconds = 4;
  one.decode_seconds = 1;
  one.steps = one.forwards = 4;
  one.mean_batch_size = 1;
  one.device = "cpu";
  JobAccounting other = one;
  other.queue_seconds = 1;
  other.encode_seconds = 0;
  other.denoise_seconds = 5;
  other.decode_seconds = 2;
  other.forwards = 12;
  other.mean_batch_size = 3;
  other.prompt_cache_hit = true;
  mailbox.job(0).OnImage(Grey(2), one);
  mailbox.job(1).OnImage(Grey(2), other);
  mailbox.AwaitPool();
  v1::Accounting accounting;
  for (;;) {
    EventStream::Item item = mailbox.Next();
    const auto* event = std::get_if<v1::GenerationEvent>(&item);
    ASSERT_NE(event, nullptr);
    if (!event->has_done()) continue;
    accounting = event->done().accounting();
    break;
  }
  EXPECT_EQ(accounting.queue_seconds(), 1);  // until work on the first of them began
  EXPECT_EQ(accounting.encode_seconds(), 1);
  EXPECT_EQ(accounting.denoise_seconds(), 9);
  EXPECT_EQ(accounting.decode_seconds(), 3);
  EXPECT_EQ(accounting.total_seconds(), 9);  // the clock's, since arrival
  EXPECT_EQ(accounting.steps_run(), 8u);
  EXPECT_EQ(accounting.forwards_run(), 16u);
  EXPECT_EQ(accounting.mean_batch_size(), 2.5);
  EXPECT_TRUE(accounting.prompt_cache_hit());
}

}  // namespace
}  // namespace easel

#include "server/service/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>

#include "absl/synchronization/notification.h"
#include "server/service/event_stream.h"
#include "tests/server/service/picture_events.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1000);

// A generation that has begun, its clock and its codec.
class Studio : public ServiceObserver {
 public:
  enum Begun { kBegun, kInSubmit };
  explicit Studio(int pictures, bool detached = false, Begun begun = kBegun) {
    Generation::Options options;
    options.id = "id";
    options.arrived = kStart;
    options.now = [this] { return kStart + absl::Seconds(seconds_.load()); };
    options.pool = &pool_;
    options.observer = this;
    options.detached = detached;
    options.ended = [this](int64_t bytes) { ends_.push_back(bytes); };
    generation_ = std::make_shared<Generation>(PlanOf(pictures), std::move(options));
    for (int i = 0; i < pictures; ++i) {
      listeners_.push_back(generation_->Listener(i));
      cancelled_.push_back(std::make_shared<CancelFlag>(false));
      handles_.emplace_back(cancelled_.back(), TokensCut{});
    }
    if (begun == kBegun) Begin();
  }
  void Begin() {
    generation_->Begin(std::move(handles_), [this](const absl::Status& status, const JobAccounting&) {
      unheard_.push_back(absl::StatusCodeToString(status.code()));
    });
  }
  void AwaitPool() {
    for (int rounds = 0; rounds < 3; ++rounds) {
      absl::Notification done;
      pool_.Submit([&done] { done.Notify(); });
      done.WaitForNotification();
    }
  }
  // The whole of a picture's life from where it is.
  void Finish(int index) {
    listeners_[index]->OnImage(Grey(2 + index), On("cpu"));
    AwaitPool();
  }

  Generation& generation() { return *generation_; }
  std::shared_ptr<Generation> shared() { return generation_; }
  JobListener& job(int index) { return *listeners_[index]; }
  bool cancelled(int index) { return *cancelled_[index]; }
  const std::vector<int64_t>& ends() const { return ends_; }
  const std::vector<std::string>& unheard() const { return unheard_; }
  v1::Generation Snapshot() { return generation_->Snapshot(absl::Seconds(600)); }

  void OnPreviewSent(std::string_view) override { ++sent_; }
  void OnPreviewCoalesced(std::string_view) override { ++coalesced_; }
  std::atomic<int> sent_ = 0, coalesced_ = 0;
  std::atomic<int64_t> seconds_ = 0;  // since kStart

 private:
  std::vector<std::string> unheard_;
  std::vector<int64_t> ends_;  // by the pool's thread, read after AwaitPool
  ThreadPool pool_{1};
  std::vector<std::shared_ptr<CancelFlag>> cancelled_;
  std::vector<std::shared_ptr<JobListener>> listeners_;
  std::vector<JobHandle> handles_;  // until it has begun
  std::shared_ptr<Generation> generation_;
};

enum Kind { kOwner, kWatcher };

class Reader {
 public:
  Reader(
      Studio& studio, Kind kind, std::function<void(Reader&)> on_close = [](Reader&) {}) {
    Generation::ReaderOptions options;
    options.wake = [this] { ++wakes; };
    options.close = [this, on_close = std::move(on_close)] {
      ++closes;
      on_close(*this);
    };
    options.owns = kind == kOwner;
    stream = std::make_unique<EventStream>(studio.shared(), std::move(options));
  }
  std::string Next() {
    EventStream::Item item = stream->Next();
    if (const auto* event = std::get_if<v1::GenerationEvent>(&item)) {
      if (event->has_image()) bytes += event->image().chunk();
      return Describe(*event);
    }
    const auto* status = std::get_if<absl::Status>(&item);
    if (status == nullptr) return "nothing";
    end = *status;
    return absl::StatusCodeToString(status->code());
  }
  // All there is now.
  std::vector<std::string> Read() {
    std::vector<std::string> all;
    for (;;) {
      const std::string next = Next();
      if (next == "nothing") return all;
      all.push_back(next);
      if (end.has_value()) return all;
    }
  }

  std::atomic<int> wakes = 0, closes = 0;
  std::string bytes;  // of all pictures
  std::optional<absl::Status> end;
  std::unique_ptr<EventStream> stream;
};

TEST(GenerationTest, AWatcherHearsFirstWhereItStands) {
  Studio studio(2);
  Reader caller(studio, kOwner);
  studio.job(0).OnQueued(3, std::nullopt);
  Reader early(studio, kWatcher);
  EXPECT_THAT(early.Read(), ElementsAre("queued 3"));
  studio.job(0).OnStarted("cpu");
  for (int step = 1; step <= 3; ++step) studio.job(1).OnProgress(Step(step));
  studio.job(0).OnProgress(Step(4));
  studio.job(0).OnPreview(3, Grey(2));
  studio.Finish(0);
  caller.Read();

  Reader watcher(studio, kWatcher);
  EXPECT_THAT(watcher.Read(), ElementsAre("started cpu", "0: progress 4", "0: preview 3", "0: image 12 last",
                                          "1: progress 3"));
  studio.Finish(1);
  EXPECT_THAT(watcher.Read(), ElementsAre("1: image 27 last", "done", "OK"));
}

TEST(GenerationTest, AnyNumberOfReadersGetEveryPicture) {
  Studio studio(2);
  std::deque<Reader> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(studio, i == 0 ? kOwner : kWatcher);
  studio.job(0).OnStarted("cpu");
  studio.Finish(1);
  readers[1].Read();  // at its own pace
  studio.Finish(0);
  readers.emplace_back(studio, kWatcher);  // after the end
  for (Reader& reader : readers) {
    reader.Read();
    EXPECT_EQ(*reader.end, absl::OkStatus());
    EXPECT_EQ(reader.bytes.size(), 12u + 27u);
  }
}

TEST(GenerationTest, EachReaderIsWokenForItself) {
  Studio studio(1);
  Reader waiting(studio, kOwner), other(studio, kWatcher);
  waiting.Read();
  studio.job(0).OnStarted("cpu");
  EXPECT_EQ(waiting.wakes, 1);
  EXPECT_EQ(other.wakes, 0);  // never asked
  other.Read();
  studio.job(0).OnProgress(Step(1));
  EXPECT_EQ(waiting.wakes, 1);  // has not asked again
  EXPECT_EQ(other.wakes, 1);
}

TEST(GenerationTest, WhatItHoldsIsBoundedHoweverSlowItsReaders) {
  Studio studio(1);
  Reader caller(studio, kOwner);
  studio.job(0).OnStarted("cpu");
  for (int step = 1; step < 1000; ++step) {
    studio.job(0).OnProgress(Step(step));
    studio.job(0).OnPreview(step, Grey(4));
    studio.AwaitPool();
  }
  studio.Finish(0);
  EXPECT_EQ(studio.ends().size(), 1u);
  EXPECT_LT(studio.ends().at(0), 4096) << "what held_bytes_test.cc says it takes";
  EXPECT_THAT(caller.Read(), ElementsAre("started cpu", "0: progress 999", "0: preview 999",
                                         "0: image 12 last", "done", "OK"));
  EXPECT_EQ(studio.coalesced_, 998);
}

TEST(GenerationTest, APreviewThatAnyoneTookIsNotCoalesced) {
  Studio studio(1);
  Reader caller(studio, kOwner), watcher(studio, kWatcher);
  for (int step = 1; step <= 3; ++step) {
    studio.job(0).OnPreview(step, Grey(2));
    studio.AwaitPool();
    if (step == 1) watcher.Read();
  }
  EXPECT_EQ(studio.sent_, 1);
  EXPECT_EQ(studio.coalesced_, 1);  // the second
}

TEST(GenerationTest, ACallerThatLeavesCancels) {
  Studio studio(2);
  Reader caller(studio, kOwner), watcher(studio, kWatcher);
  studio.job(0).OnStarted("cpu");
  caller.stream->Leave(absl::CancelledError("gone"));
  EXPECT_TRUE(studio.cancelled(0) && studio.cancelled(1));
  EXPECT_THAT(caller.Read(), ElementsAre("CANCELLED"));  // at once
  EXPECT_THAT(watcher.Read(), IsEmpty());                // when the jobs have ended
  studio.job(0).OnFailure(absl::CancelledError(), {});
  studio.job(1).OnFailure(absl::CancelledError(), {});
  EXPECT_THAT(watcher.Read(), ElementsAre("CANCELLED"));
}

TEST(GenerationTest, AWatcherThatLeavesCancelsNothing) {
  Studio studio(1);
  Reader caller(studio, kOwner), watcher(studio, kWatcher);
  watcher.stream->Leave(absl::CancelledError("gone"));
  EXPECT_THAT(watcher.Read(), ElementsAre("CANCELLED"));
  EXPECT_FALSE(studio.cancelled(0));
}

TEST(GenerationTest, OnlyTheLastOfItsCallersCancels) {
  Studio studio(1);
  Reader first(studio, kOwner), second(studio, kOwner), watcher(studio, kWatcher);
  first.stream->Leave(absl::CancelledError("gone"));
  EXPECT_FALSE(studio.cancelled(0));
  second.stream->Leave(absl::CancelledError("gone"));
  EXPECT_TRUE(studio.cancelled(0));
}

TEST(GenerationTest, DetachedItGoesOnWithoutItsCaller) {
  for (const bool from_the_first : {true, false}) {
    Studio studio(1, from_the_first);
    if (!from_the_first) studio.generation().Join(/*detach=*/true, absl::InfiniteFuture());
    Reader caller(studio, kOwner);
    studio.job(0).OnStarted("cpu");
    caller.stream->Leave(absl::CancelledError("gone"));
    EXPECT_FALSE(studio.cancelled(0));
    studio.Finish(0);
    Reader back(studio, kWatcher);
    EXPECT_THAT(back.Read(), ElementsAre("started cpu", "0: image 12 last", "done", "OK"));
  }
}

TEST(GenerationTest, ADetachedFailureThatNobodyHearsIsToldOnce) {
  Studio studio(2, /*detached=*/true);
  {
    Reader caller(studio, kOwner);
    caller.stream->Leave(absl::CancelledError("gone"));
    caller.Read();
  }
  studio.job(0).OnFailure(absl::InternalError("the network"), On("cpu"));
  EXPECT_THAT(studio.unheard(), IsEmpty());  // the other picture has not ended
  studio.job(1).OnFailure(absl::CancelledError("as the first failed"), On("cpu"));
  EXPECT_THAT(studio.unheard(), ElementsAre("INTERNAL"));
  Reader late(studio, kWatcher);
  late.Read();
  EXPECT_THAT(studio.unheard(), ElementsAre("INTERNAL"));
}

TEST(GenerationTest, AFailureThatAReaderHeardIsNotUnheard) {
  Studio studio(1, /*detached=*/true);
  {
    Reader watcher(studio, kWatcher), leaver(studio, kWatcher);
    studio.job(0).OnFailure(absl::InternalError("the network"), On("cpu"));
    EXPECT_THAT(watcher.Read(), ElementsAre("INTERNAL"));
    leaver.stream->Leave(absl::CancelledError("gone"));
    leaver.Read();
  }
  EXPECT_THAT(studio.unheard(), IsEmpty());
}

TEST(GenerationTest, AFailureWhoseOnlyReaderLeavesBeforeItHearsIsUnheard) {
  Studio studio(1, /*detached=*/true);
  Reader watcher(studio, kWatcher);
  studio.job(0).OnFailure(absl::InternalError("the network"), On("cpu"));
  EXPECT_THAT(studio.unheard(), IsEmpty());
  watcher.stream->Leave(absl::CancelledError("gone"));
  watcher.Read();
  EXPECT_THAT(studio.unheard(), ElementsAre("INTERNAL"));
}

TEST(GenerationTest, NothingIsUnheardOfASuccessACancelOrWhatEndsWithItsCaller) {
  Studio done(1, /*detached=*/true), cancelled(1, /*detached=*/true), owned(1);
  done.Finish(0);
  cancelled.generation().Cancel(absl::CancelledError("by its id"));
  cancelled.job(0).OnFailure(absl::CancelledError("by its id"), On("cpu"));
  {
    Reader caller(owned, kOwner);
    caller.stream->Leave(absl::CancelledError("gone"));
    caller.Read();
  }
  owned.job(0).OnFailure(absl::InternalError("the network"), On("cpu"));
  for (const Studio* studio : {&done, &cancelled, &owned}) EXPECT_THAT(studio->unheard(), IsEmpty());
}

TEST(GenerationTest, CancelKeepsWhatIsFinishedAndIsIdempotent) {
  Studio studio(2, /*detached=*/true);
  Reader watcher(studio, kWatcher);
  studio.job(0).OnStarted("cpu");
  studio.Finish(0);
  studio.generation().Cancel(absl::CancelledError("first"));
  studio.generation().Cancel(absl::CancelledError("second"));
  EXPECT_TRUE(studio.cancelled(1));
  EXPECT_EQ(studio.Snapshot().state(), v1::GENERATION_STATE_CANCELLED);
  studio.job(1).OnFailure(absl::CancelledError(), {});
  EXPECT_THAT(watcher.Read(), ElementsAre("0: image 12 last", "CANCELLED"));
  EXPECT_EQ(watcher.end->message(), "first");
  EXPECT_EQ(studio.Snapshot().images_size(), 1);
}

TEST(GenerationTest, CancelAfterTheEndChangesNothing) {
  Studio studio(1);
  studio.job(0).OnStarted("cpu");
  studio.Finish(0);
  studio.generation().Cancel(absl::CancelledError("late"));
  EXPECT_EQ(studio.Snapshot().state(), v1::GENERATION_STATE_DONE);
  EXPECT_FALSE(studio.generation().failed());
}

TEST(GenerationTest, TheSnapshotTellsWhereItStands) {
  Studio studio(2);
  studio.job(0).OnQueued(5, 2.5);
  v1::Generation snapshot = studio.Snapshot();
  EXPECT_EQ(snapshot.id(), "id");
  EXPECT_EQ(snapshot.state(), v1::GENERATION_STATE_QUEUED);
  EXPECT_EQ(snapshot.queued().position(), 5u);
  EXPECT_EQ(snapshot.queued().estimated_wait_seconds(), 2.5);
  EXPECT_EQ(snapshot.expires_at(), 0);

  studio.job(0).OnStarted("cpu");
  studio.job(1).OnProgress(Step(2));
  snapshot = studio.Snapshot();
  EXPECT_EQ(snapshot.state(), v1::GENERATION_STATE_RUNNING);
  EXPECT_FALSE(snapshot.has_queued());
  ASSERT_EQ(snapshot.progress_size(), 1);
  EXPECT_EQ(snapshot.progress(0).image_index(), 1u);
  EXPECT_EQ(snapshot.progress(0).progress().step(), 2u);
  EXPECT_FALSE(snapshot.has_accounting());

  studio.seconds_ = 20;
  studio.Finish(1);
  studio.Finish(0);
  snapshot = studio.Snapshot();
  EXPECT_EQ(snapshot.state(), v1::GENERATION_STATE_DONE);
  ASSERT_EQ(snapshot.images_size(), 2);
  EXPECT_EQ(snapshot.images(0).seed(), 7u);  // by index, not by finish
  EXPECT_EQ(snapshot.images(0).data().size(), 12u);
  EXPECT_EQ(snapshot.images(1).data().size(), 27u);
  EXPECT_EQ(snapshot.accounting().total_seconds(), 20);
  EXPECT_EQ(snapshot.expires_at(), 1000 + 20 + 600);
}

TEST(GenerationTest, TheSnapshotOfAFailureSaysWhy) {
  Studio studio(1);
  studio.job(0).OnFailure(absl::InternalError("NaN"), {});
  const v1::Generation snapshot = studio.Snapshot();
  EXPECT_EQ(snapshot.state(), v1::GENERATION_STATE_FAILED);
  EXPECT_EQ(snapshot.error_code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_THAT(snapshot.error_message(), HasSubstr("NaN"));
  EXPECT_TRUE(studio.generation().failed());
  EXPECT_EQ(studio.ends().size(), 1u);
}

TEST(GenerationTest, RefusedItTellsWhoJoinedMeanwhile) {
  Studio studio(1);
  Reader joined(studio, kOwner);
  joined.Read();
  studio.generation().Refuse(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(joined.wakes, 1);
  EXPECT_THAT(joined.Read(), ElementsAre("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(studio.ends(), IsEmpty());
}

// A second caller joins by its request_id, and leaves, while the first is still in Submit.
TEST(GenerationTest, WhoJoinsAndLeavesBeforeTheFirstCallerReadsTakesNothingFromIt) {
  Studio studio(1, /*detached=*/false, Studio::kInSubmit);
  ASSERT_TRUE(studio.generation().Join(/*detach=*/false, absl::InfiniteFuture()));
  {
    ASSERT_TRUE(studio.generation().Join(false, absl::InfiniteFuture()));
    Reader second(studio, kOwner);
    second.stream->Leave(absl::CancelledError("gone"));
    EXPECT_THAT(second.Read(), ElementsAre("CANCELLED"));
  }
  studio.Begin();
  EXPECT_FALSE(studio.cancelled(0));
  Reader first(studio, kOwner);
  studio.job(0).OnStarted("cpu");
  studio.Finish(0);
  EXPECT_THAT(first.Read(), ElementsAre("started cpu", "0: image 12 last", "done", "OK"));
}

TEST(GenerationTest, TheFirstCallerMayLeaveBeforeWhoJoinedReads) {
  Studio studio(1);
  Reader first(studio, kOwner);
  ASSERT_TRUE(studio.generation().Join(false, absl::InfiniteFuture()));
  first.stream->Leave(absl::CancelledError("gone"));
  EXPECT_FALSE(studio.cancelled(0));
  {
    Reader second(studio, kOwner);
    second.stream->Leave(absl::CancelledError("gone"));
    second.Read();
  }
  EXPECT_TRUE(studio.cancelled(0)) << "nobody wants it any more";
  EXPECT_FALSE(studio.generation().Join(false, absl::InfiniteFuture())) << "there is nothing to join";
  EXPECT_FALSE(studio.generation().Join(true, absl::InfiniteFuture()));
}

TEST(GenerationTest, PreviewsAreLetGoOnceItHasEndedAndNobodyReads) {
  Studio studio(1);
  auto reader = std::make_unique<Reader>(studio, kOwner);
  studio.job(0).OnStarted("cpu");
  studio.job(0).OnPreview(1, Grey(4));
  studio.AwaitPool();
  studio.Finish(0);
  EXPECT_THAT(reader->Read(), ElementsAre("started cpu", "0: preview 1", "0: image 12 last", "done", "OK"));
  reader = nullptr;
  EXPECT_THAT(Reader(studio, kWatcher).Read(), ElementsAre("started cpu", "0: image 12 last", "done", "OK"));
}

TEST(GenerationTest, AStalledReaderIsClosedAndTheGenerationCancelled) {
  Studio studio(1);
  std::string during;
  Reader caller(studio, kOwner, [&](Reader& reader) { during = reader.Next(); });  // its write came back
  studio.job(0).OnStarted("cpu");
  EXPECT_EQ(caller.Next(), "started cpu");  // and does not ask again: in flight from 0 s on
  studio.generation().CloseStalled(kStart - absl::Seconds(1), absl::CancelledError("stalled"));
  EXPECT_EQ(caller.closes, 0);
  studio.generation().CloseStalled(kStart, absl::CancelledError("stalled"));
  EXPECT_EQ(caller.closes, 1);
  EXPECT_EQ(during, "nothing");  // no end before its connection is broken
  EXPECT_EQ(caller.wakes, 1);
  EXPECT_THAT(caller.Read(), ElementsAre("CANCELLED"));
  EXPECT_EQ(caller.end->message(), "stalled");
  EXPECT_TRUE(studio.cancelled(0));
}

TEST(GenerationTest, AReaderWhoseEventIsWrittenIsNotStalled) {
  Studio studio(1);
  Reader caller(studio, kOwner);
  studio.job(0).OnStarted("cpu");
  studio.job(0).OnProgress(Step(1));
  caller.Next();
  caller.stream->Written();  // and asks for the next one only later
  studio.generation().CloseStalled(kStart + absl::Seconds(3600), absl::CancelledError("stalled"));
  EXPECT_EQ(caller.closes, 0);
  caller.Next();
  studio.generation().CloseStalled(kStart + absl::Seconds(3600), absl::CancelledError("stalled"));
  EXPECT_EQ(caller.closes, 1);
  EXPECT_EQ(caller.Next(), "CANCELLED");
}

TEST(GenerationTest, AReaderThatWaitsForNewsIsNotStalled) {
  Studio studio(1);
  Reader caller(studio, kOwner);
  studio.job(0).OnStarted("cpu");
  EXPECT_THAT(caller.Read(), ElementsAre("started cpu"));
  studio.seconds_ = 3600;
  studio.generation().CloseStalled(kStart + absl::Seconds(3600), absl::CancelledError("stalled"));
  EXPECT_EQ(caller.closes, 0);
  EXPECT_FALSE(studio.cancelled(0));
}

TEST(GenerationTest, ADetachedResultOutlivesItsStalledReader) {
  Studio studio(1, /*detached=*/true);
  Reader stalled(studio, kOwner), other(studio, kWatcher);
  studio.job(0).OnStarted("cpu");
  stalled.Next();
  other.Read();
  studio.generation().CloseStalled(kStart + absl::Seconds(60), absl::CancelledError("stalled"));
  EXPECT_EQ(stalled.closes, 1);
  EXPECT_EQ(other.closes, 0);
  EXPECT_FALSE(studio.cancelled(0));
  studio.Finish(0);
  EXPECT_THAT(other.Read(), ElementsAre("0: image 12 last", "done", "OK"));
  Reader back(studio, kWatcher);
  EXPECT_THAT(back.Read(), ElementsAre("started cpu", "0: image 12 last", "done", "OK"));
}

}  // namespace
}  // namespace easel

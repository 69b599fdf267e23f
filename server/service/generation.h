// One generation, for as long as anyone may ask for it: the engine's threads put in what happens to its
// pictures, any number of readers take out what each has not been sent yet, at their own pace.
//
//   Worker ── JobListener ──► GenerationState: newest progress, newest preview ──┐
//                │                                                              ├──► EventStream ──► reader
//                └─ pictures ──► ThreadPool ──► finished files, all of them ──────┘    one a reader
//
// What it holds is bounded: for each picture one progress, one preview before and one after the codec, and
// its file; a reader is a few numbers more. Once it has ended and nobody reads it, the files and what was
// asked for are left. Thread-safe; knows no gRPC. Its mutex is held neither while a picture is encoded or
// copied nor while anyone is called.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "easel/v1/image_generation.pb.h"
#include "model/image.h"
#include "server/engine/job.h"
#include "server/engine/job_listener.h"
#include "server/service/event_cursor.h"
#include "server/service/generation_state.h"
#include "server/service/proto_conversion.h"
#include "server/service/service_observer.h"
#include "server/sync/mutex.h"
#include "server/sync/thread_pool.h"

namespace easel {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  struct Options {
    std::string id;
    absl::Time arrived;               // of the request
    std::function<absl::Time()> now;  // the clock of `arrived`
    ThreadPool* pool = nullptr;       // runs what it was given before it is destroyed
    ServiceObserver* observer = nullptr;
    bool detached = false;  // goes on without its callers
    // Once, when the last picture has ended, with the bytes that it takes from then on, while nobody reads
    // it; on any thread, without the mutex. Not after Refuse.
    std::function<void(int64_t bytes)> ended = [](int64_t) {};
  };
  struct ReaderOptions {
    // See Next. Called on any thread, without the mutex.
    std::function<void()> wake;
    // Breaks the connection, so that a write that is stuck comes back. On CloseStalled's thread, without the
    // mutex; Next does not give the end before it has returned.
    std::function<void()> close = [] {};
    // Its caller asked for the pictures, and joined for that (Join), if there was a moment before: when the
    // last such reader leaves, and the generation is not detached, it is cancelled.
    bool owns = false;
  };
  // monostate: nothing now. An event: send it and ask again. A status: the end, OK after `done`.
  using Item = std::variant<std::monostate, v1::GenerationEvent, absl::Status>;

  // Called once if it goes on without its callers, fails otherwise than by being cancelled, and no reader is
  // left that could hear of it; on any thread, without the mutex.
  using Unheard = std::function<void(const absl::Status&, const JobAccounting&)>;

  // REQUIRES: held by a shared_ptr, which the listeners and the pool's tasks share.
  Generation(GenerationPlan plan, Options options);

  // The engine's end, one a picture.
  std::shared_ptr<JobListener> Listener(int index);
  // What Submit gave, in the order of the pictures; until then readers get nothing. Dropped, which cancels
  // the jobs, when the first of them fails or Cancel is called. `unheard`: as the type says.
  void Begin(std::vector<JobHandle> handles, Unheard unheard = nullptr);
  // Instead of Begin: the engine did not take it, and `status` is the end.
  void Refuse(absl::Status status);

  // The one way to stop it, whoever wants it and why: its jobs end at their worker's next turn, what is
  // finished stays. Nothing when it has failed or ended.
  void Cancel(absl::Status reason);
  // A caller wants it, by `deadline`: with `detach` it goes on without its callers from now on, and without a
  // deadline, else this one is going to read it, and until its reader is there nobody's leaving cancels it.
  // False: it has failed or was cancelled, and there is nothing to join.
  bool Join(bool detach, absl::Time deadline);

  // A job failed, or it was cancelled: there will not be all pictures.
  bool failed() const;
  // Summed over the pictures that have ended.
  JobAccounting accounting() const;
  // Where it stands. `kept`: how long it can be found once it has ended.
  v1::Generation Snapshot(absl::Duration kept) const;

  // Constant.
  const std::string& id() const { return options_.id; }
  const GenerationPlan& plan() const { return plan_; }

  // Ends the streams of readers that have been writing one event since `since` or longer, as if they had
  // left with `reason`.
  void CloseStalled(absl::Time since, const absl::Status& reason);

 private:
  friend class EventStream;  // whose reader is one of readers_
  class PictureListener;
  struct RawPreview {
    int step = 0;
    Image image;
  };
  // On the way of a picture through the pool.
  struct Encoding {
    std::optional<RawPreview> preview;
    std::optional<Image> image;  // after its previews
    bool in_pool = false;        // a task for it is under way
    bool preview_sent = false;   // the newest encoded one, to anyone
  };
  struct Reader {
    ReaderOptions options;
    EventCursor cursor;
    bool waits = false;                       // was told that there is nothing, and not woken since
    bool closing = false;                     // `close` is being called
    std::optional<absl::Status> gone;         // its end, whatever else there is
    std::optional<absl::Time> writing_since;  // has an event, and did not say so or ask again
  };

  // EventStream's methods.
  int AddReader(ReaderOptions options);
  void RemoveReader(int reader);
  Item Next(int reader);
  void Written(int reader);
  void Leave(int reader, absl::Status reason);

  void OnQueued(int index, int position, std::optional<double> estimated_wait_seconds);
  void OnStarted(const std::string& device);
  void OnProgress(int index, const JobProgress& progress);
  void OnPreview(int index, int step, Image preview);
  void OnImage(int index, Image image, const JobAccounting& accounting);
  void OnFailure(int index, const absl::Status& status, const JobAccounting& accounting);

  // The pool's tasks.
  void GiveToPool(int index);
  void EncodeNext(int index);

  void FailLocked(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsUnheardLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LetGoLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t HeldBytesLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveLocked(Reader& reader, absl::Status reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasItemLocked(const Reader& reader) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `change` under the mutex; then tells of the end, if that came or if nobody is left to hear of it,
  // and wakes readers that wait and get something.
  template <typename Change>
  void Apply(Change change);

  // Constant after construction.
  const GenerationPlan plan_;
  const Options options_;

  mutable Mutex mutex_;
  GenerationState state_ ABSL_GUARDED_BY(mutex_);
  std::vector<Encoding> encodings_ ABSL_GUARDED_BY(mutex_);  // of each picture
  std::vector<JobHandle> handles_ ABSL_GUARDED_BY(mutex_);
  std::map<int, Reader> readers_ ABSL_GUARDED_BY(mutex_);
  int next_reader_ ABSL_GUARDED_BY(mutex_) = 0;
  int joining_ ABSL_GUARDED_BY(mutex_) = 0;  // callers that joined and whose readers are not there yet
  bool detached_ ABSL_GUARDED_BY(mutex_);
  absl::Time deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();  // the latest of those who joined
  Unheard unheard_ ABSL_GUARDED_BY(mutex_);  // null when it has nothing to tell, or no more
};

}  // namespace easel

// One request's mailbox: the engine's threads put in what happens to its pictures, the caller's call takes
// out what is to be sent, at its own pace.
//
//   Worker ── JobListener ──► Picture: newest progress, newest preview ──┐
//                │                                                       ├──► Next() ──► reader
//                └─ pictures ──► CodecPool ──► finished files, all of them ┘
//
// What waits is bounded: for each picture one progress, one preview before and one after the codec, and its
// file. Thread-safe; knows no gRPC. Its mutex is held neither while a picture is encoded nor while anyone is
// called.
#pragma once

#include <deque>
#include <functional>
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
#include "server/sync/mutex.h"
#include "server/image/codec_pool.h"
#include "server/service/proto_conversion.h"
#include "server/service/service_observer.h"

namespace easel {

// Bytes of a picture that one message carries, so that it stays well below gRPC's receive limit of 4 MiB.
inline constexpr size_t kChunkBytes = size_t{1} << 20;
// A preview is not cut in pieces, but made smaller until it fits.
inline constexpr size_t kMaxPreviewBytes = size_t{3} << 20;

class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  struct Options {
    std::string generation_id;
    absl::Time arrived;               // of the request
    std::function<absl::Time()> now;  // the clock of `arrived`
    CodecPool* pool = nullptr;        // runs what it was given before it is destroyed
    ServiceObserver* observer = nullptr;
    // See Next. Called on any thread, without the mutex.
    std::function<void()> wake;
  };
  // monostate: nothing now. An event: send it and ask again. A status: the end, OK after `done`.
  using Item = std::variant<std::monostate, v1::GenerationEvent, absl::Status>;

  // REQUIRES: held by a shared_ptr, which the listeners and the pool's tasks share.
  EventStream(GenerationPlan plan, Options options);

  // The engine's end, one a picture.
  std::shared_ptr<JobListener> Listener(int index);
  // What Submit gave, in the order of the pictures; until then the reader gets nothing. Dropped, which
  // cancels the jobs, when the first of them fails or Cancel is called.
  void Begin(std::vector<JobHandle> handles);

  // One reader, which asks from one thread at a time. After it got nothing it must not ask again until `wake`
  // was called, which happens once, as soon as there is something. So the right to ask is always in one hand,
  // and a reader needs no lock. It must not ask again after the end.
  Item Next();

  // The reader has gone, for this reason (not OK): the jobs are cancelled, and Next gives the reason at once.
  void Cancel(absl::Status reason);

  // Summed over the pictures that have ended.
  JobAccounting accounting() const;

 private:
  class PictureListener;
  struct RawPreview {
    int step = 0;
    Image image;
  };
  struct Picture {
    std::optional<JobProgress> progress;
    std::optional<RawPreview> raw_preview;    // for the pool
    std::optional<v1::PreviewImage> preview;  // for the reader
    std::optional<Image> raw_image;           // for the pool, after its previews
    bool in_pool = false;                     // a task for it is under way
    bool ended = false;                       // its file is ready, or it failed
  };
  struct File {
    int index = 0;
    v1::ImageChunk description;  // all but the bytes
    std::string bytes;
    size_t sent = 0;
  };

  void OnQueued(int index, int position, std::optional<double> estimated_wait_seconds);
  void OnStarted(const std::string& device);
  void OnProgress(int index, const JobProgress& progress);
  void OnPreview(int index, int step, Image preview);
  void OnImage(int index, Image image, const JobAccounting& accounting);
  void OnFailure(int index, const absl::Status& status, const JobAccounting& accounting);

  // The pool's tasks.
  void GiveToPool(int index);
  void EncodeNext(int index);
  v1::PreviewImage EncodePreview(RawPreview raw) const;
  absl::StatusOr<File> EncodeFile(int index, const Image& image) const;

  void FailLocked(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddLocked(const JobAccounting& accounting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AllEndedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<v1::GenerationEvent> TakeEventLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::GenerationEvent TakePictureEventLocked(int index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::GenerationEvent TakeChunkLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasItemLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::GenerationEvent NewEvent() const;
  v1::Started StartedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `change` under the mutex, unless the reader has gone; then wakes a reader that waits and gets
  // something.
  template <typename Change>
  void Apply(Change change);

  // Constant after construction.
  const GenerationPlan plan_;
  const Options options_;

  mutable Mutex mutex_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<JobHandle> handles_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Warning> warnings_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::Queued> queued_ ABSL_GUARDED_BY(mutex_);       // waits for the reader
  std::optional<std::string> started_on_ ABSL_GUARDED_BY(mutex_);  // the first picture's device
  bool started_sent_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Picture> pictures_ ABSL_GUARDED_BY(mutex_);
  std::deque<File> files_ ABSL_GUARDED_BY(mutex_);  // finished, by finish; the first may be sent in part
  bool done_sent_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // of the first failure
  bool reader_gone_ ABSL_GUARDED_BY(mutex_) = false;
  bool reader_waits_ ABSL_GUARDED_BY(mutex_) = false;
  size_t next_picture_ ABSL_GUARDED_BY(mutex_) = 0;  // whose progress or preview goes first: they take turns
  JobAccounting accounting_ ABSL_GUARDED_BY(mutex_);
  bool any_taken_up_ ABSL_GUARDED_BY(mutex_) = false;
  double batch_size_sum_ ABSL_GUARDED_BY(mutex_) = 0;  // over all forwards
  absl::Time last_written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel

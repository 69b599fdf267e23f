#include "server/service/generation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/service/event_conversion.h"
#include "server/service/held_bytes.h"
#include "server/service/picture_encoding.h"
#include "server/service/status_conversion.h"

namespace easel {

class Generation::PictureListener : public JobListener {
 public:
  PictureListener(std::shared_ptr<Generation> generation, int index)
      : generation_(std::move(generation)), index_(index) {}
  void OnQueued(int position, std::optional<double> estimated_wait_seconds) override {
    generation_->OnQueued(index_, position, estimated_wait_seconds);
  }
  void OnStarted(const std::string& device) override { generation_->OnStarted(device); }
  void OnProgress(const JobProgress& progress) override { generation_->OnProgress(index_, progress); }
  void OnPreview(int step, Image preview) override {
    generation_->OnPreview(index_, step, std::move(preview));
  }
  void OnImage(Image image, const JobAccounting& accounting) override {
    generation_->OnImage(index_, std::move(image), accounting);
  }
  void OnFailure(const absl::Status& status, const JobAccounting& accounting) override {
    generation_->OnFailure(index_, status, accounting);
  }

 private:
  const std::shared_ptr<Generation> generation_;
  const int index_;
};

Generation::Generation(GenerationPlan plan, Options options)
    : plan_(std::move(plan)),
      options_(std::move(options)),
      encodings_(plan_.pictures.size()),
      detached_(options_.detached) {
  state_.id = options_.id;
  state_.parameters = plan_.resolved;
  state_.pictures.resize(plan_.pictures.size());
}

std::shared_ptr<JobListener> Generation::Listener(int index) {
  return std::make_shared<PictureListener>(shared_from_this(), index);
}

template <typename Change>
void Generation::Apply(Change change) {
  const absl::Time now = options_.now();
  std::vector<std::function<void()>> wakes;
  std::optional<int64_t> ended;
  Unheard unheard;
  absl::Status failure;
  JobAccounting accounting;
  {
    MutexLock lock(&mutex_);
    change();
    if (state_.begun && !state_.ended_at.has_value() && state_.AllEnded()) {
      state_.ended_at = now;
      state_.accounting.total_seconds = absl::ToDoubleSeconds(now - options_.arrived);
      LetGoLocked();
      ended = HeldBytesLocked();
    }
    if (IsUnheardLocked()) {
      unheard = std::exchange(unheard_, nullptr);
      failure = state_.status;
      accounting = state_.accounting;
    }
    for (auto& [id, reader] : readers_) {
      if (!reader.waits || !HasItemLocked(reader)) continue;
      reader.waits = false;
      wakes.push_back(reader.options.wake);
    }
  }
  if (ended.has_value()) options_.ended(*ended);
  if (unheard != nullptr) unheard(failure, accounting);
  for (const auto& wake : wakes) wake();
}

void Generation::Begin(std::vector<JobHandle> handles, Unheard unheard) {
  Apply([&] {
    mutex_.AssertHeld();
    unheard_ = std::move(unheard);
    if (!handles.empty()) state_.warnings = WarningsOf(handles.front().tokens_cut());
    for (JobHandle& handle : handles) handle.PutOffDeadline(deadline_);  // of who joined meanwhile
    if (state_.status.ok()) handles_ = std::move(handles);
    state_.begun = true;
  });
}

void Generation::Refuse(absl::Status status) {
  Apply([&] {
    mutex_.AssertHeld();
    FailLocked(std::move(status));
    for (GenerationState::Picture& picture : state_.pictures) picture.ended = true;
    state_.ended_at = options_.arrived;
    state_.begun = true;
  });
}

void Generation::Cancel(absl::Status reason) {
  Apply([&] {
    mutex_.AssertHeld();
    FailLocked(std::move(reason));
  });
}

bool Generation::Join(bool detach, absl::Time deadline) {
  MutexLock lock(&mutex_);
  if (!state_.status.ok()) return false;
  // Whoever wants it longest.
  deadline_ = std::max(deadline_, detach ? absl::InfiniteFuture() : deadline);
  for (JobHandle& handle : handles_) handle.PutOffDeadline(deadline_);
  if (detach) {
    detached_ = true;
  } else {
    ++joining_;
  }
  return true;
}

bool Generation::failed() const {
  MutexLock lock(&mutex_);
  return !state_.status.ok();
}

JobAccounting Generation::accounting() const {
  MutexLock lock(&mutex_);
  return state_.accounting;
}

// Up from the engine.

void Generation::OnQueued(int index, int position, std::optional<double> estimated_wait_seconds) {
  if (index != 0) return;  // the first picture is the first to begin
  Apply([&] {
    mutex_.AssertHeld();
    if (state_.started_on.has_value()) return;
    state_.queued.Clear();
    state_.queued.set_position(static_cast<uint32_t>(std::max(position, 0)));
    if (estimated_wait_seconds.has_value()) {
      state_.queued.set_estimated_wait_seconds(*estimated_wait_seconds);
    }
    ++state_.queued_version;
  });
}

void Generation::OnStarted(const std::string& device) {
  Apply([&] {
    mutex_.AssertHeld();
    if (!state_.started_on.has_value()) state_.started_on = device;
  });
}

void Generation::OnProgress(int index, const JobProgress& progress) {
  Apply([&] {
    mutex_.AssertHeld();
    state_.pictures[index].progress = progress;
    ++state_.pictures[index].progress_version;
  });
}

void Generation::OnPreview(int index, int step, Image preview) {
  bool replaced = false, idle = false;
  Apply([&] {
    mutex_.AssertHeld();
    if (!state_.status.ok()) return;
    replaced = encodings_[index].preview.has_value();
    encodings_[index].preview = RawPreview{step, std::move(preview)};
    idle = !std::exchange(encodings_[index].in_pool, true);
  });
  if (replaced) options_.observer->OnPreviewCoalesced(plan_.model);
  if (idle) GiveToPool(index);
}

void Generation::OnImage(int index, Image image, const JobAccounting& accounting) {
  bool idle = false;
  Apply([&] {
    mutex_.AssertHeld();
    state_.Add(accounting);
    encodings_[index].image = std::move(image);
    idle = !std::exchange(encodings_[index].in_pool, true);
  });
  if (idle) GiveToPool(index);
}

void Generation::OnFailure(int index, const absl::Status& status, const JobAccounting& accounting) {
  Apply([&] {
    mutex_.AssertHeld();
    state_.Add(accounting);
    state_.pictures[index].ended = true;
    if (status.code() == absl::StatusCode::kDeadlineExceeded) {
      FailLocked(WithEstimate(status, accounting, plan_.pictures[index].num_inference_steps));
    } else if (status.code() == absl::StatusCode::kInternal) {
      FailLocked(absl::InternalError(absl::StrCat(status.message(), " (generation ", options_.id, ")")));
    } else {
      FailLocked(FromEngine(status));
    }
  });
}

void Generation::FailLocked(absl::Status status) {
  if (state_.ended_at.has_value()) return;
  if (state_.status.ok()) state_.status = std::move(status);
  handles_.clear();  // half a request is of no use: the others are cancelled
}

// Through the pool: one task a picture at a time, so that its previews stay before it and in their order.

void Generation::GiveToPool(int index) {
  options_.pool->Submit([self = shared_from_this(), index] { self->EncodeNext(index); });
}

void Generation::EncodeNext(int index) {
  std::optional<RawPreview> raw_preview;
  std::optional<Image> raw_image;
  {
    MutexLock lock(&mutex_);
    Encoding& encoding = encodings_[index];
    raw_preview = std::exchange(encoding.preview, std::nullopt);
    if (!raw_preview.has_value()) raw_image = std::exchange(encoding.image, std::nullopt);
  }
  const absl::Time began = options_.now();
  std::shared_ptr<const v1::PreviewImage> preview;
  absl::StatusOr<PictureFile> file = absl::CancelledError();
  if (raw_preview.has_value()) {
    preview = std::make_shared<const v1::PreviewImage>(
        EncodePreview(plan_, raw_preview->step, std::move(raw_preview->image)));
  }
  if (raw_image.has_value()) file = EncodePicture(plan_, index, *raw_image);
  const absl::Time written = options_.now();
  if (file.ok()) {
    options_.observer->OnPictureWritten(plan_.model, raw_image->width, raw_image->height,
                                        absl::ToDoubleSeconds(written - began));
  }

  bool replaced = false, more = false;
  Apply([&] {
    mutex_.AssertHeld();
    Encoding& encoding = encodings_[index];
    GenerationState::Picture& picture = state_.pictures[index];
    if (preview != nullptr && !preview->data().empty() && state_.status.ok()) {
      replaced = picture.preview != nullptr && !encoding.preview_sent;
      picture.preview = std::move(preview);
      ++picture.preview_version;
      encoding.preview_sent = false;
    }
    if (raw_image.has_value()) {
      picture.ended = true;
      state_.accounting.total_seconds = absl::ToDoubleSeconds(written - options_.arrived);
      if (file.ok()) {
        state_.files.push_back(std::make_shared<const PictureFile>(*std::move(file)));
      } else {
        FailLocked(absl::InternalError(absl::StrCat(
            "a picture could not be written: ", file.status().message(), " (generation ", options_.id, ")")));
      }
    }
    more = encoding.preview.has_value() || encoding.image.has_value();
    encoding.in_pool = more;
  });
  if (replaced) options_.observer->OnPreviewCoalesced(plan_.model);
  if (more) GiveToPool(index);
}

// Down to the readers.

int Generation::AddReader(ReaderOptions options) {
  MutexLock lock(&mutex_);
  if (options.owns && joining_ > 0) --joining_;
  readers_.emplace(next_reader_, Reader{std::move(options), EventCursor(state_), false, false, {}, {}});
  return next_reader_++;
}

void Generation::RemoveReader(int reader) {
  MutexLock lock(&mutex_);
  readers_.erase(reader);
  LetGoLocked();
}

// What nobody can ask for any more.
void Generation::LetGoLocked() {
  if (!state_.ended_at.has_value()) return;
  std::vector<JobHandle>().swap(handles_);
  if (state_.status.ok() || absl::IsCancelled(state_.status)) unheard_ = nullptr;
  if (readers_.empty()) state_.DropPreviews();
}

bool Generation::IsUnheardLocked() const {
  return unheard_ != nullptr && state_.ended_at.has_value() && !state_.status.ok() && detached_ &&
         joining_ == 0 && std::all_of(readers_.begin(), readers_.end(), [](const auto& reader) {
           return reader.second.gone.has_value();
         });
}

int64_t Generation::HeldBytesLocked() const {
  return static_cast<int64_t>(sizeof(Generation) + encodings_.capacity() * sizeof(Encoding)) +
         HeldBytes(plan_) + HeldBytes(state_);
}

bool Generation::HasItemLocked(const Reader& reader) const {
  return !reader.closing && (reader.gone.has_value() || reader.cursor.HasNext(state_));
}

Generation::Item Generation::Next(int id) {
  const absl::Time now = options_.now();
  std::optional<PickedEvent> picked;
  {
    MutexLock lock(&mutex_);
    Reader& reader = readers_.at(id);
    reader.writing_since.reset();
    if (!HasItemLocked(reader)) {
      reader.waits = true;
      return std::monostate();
    }
    if (reader.gone.has_value()) return *reader.gone;
    picked = reader.cursor.Take(state_);
    if (!picked.has_value()) {
      unheard_ = nullptr;
      return state_.status;
    }
    reader.writing_since = now;
    if (picked->preview != nullptr) encodings_[picked->event.image_index()].preview_sent = true;
  }
  if (picked->preview != nullptr) options_.observer->OnPreviewSent(plan_.model);
  return (*std::move(picked)).Complete();
}

void Generation::Written(int id) {
  MutexLock lock(&mutex_);
  readers_.at(id).writing_since.reset();
}

void Generation::Leave(int id, absl::Status reason) {
  Apply([&] {
    mutex_.AssertHeld();
    LeaveLocked(readers_.at(id), std::move(reason));
  });
}

void Generation::LeaveLocked(Reader& reader, absl::Status reason) {
  if (reader.gone.has_value()) return;
  reader.gone = reason;
  const bool wanted =
      detached_ || joining_ > 0 || std::any_of(readers_.begin(), readers_.end(), [](const auto& other) {
        return other.second.options.owns && !other.second.gone.has_value();
      });
  if (reader.options.owns && !wanted) FailLocked(std::move(reason));
}

void Generation::CloseStalled(absl::Time since, const absl::Status& reason) {
  std::map<int, std::function<void()>> stalled;
  {
    MutexLock lock(&mutex_);
    for (auto& [id, reader] : readers_) {
      if (reader.closing || reader.gone.has_value() || !reader.writing_since.has_value() ||
          *reader.writing_since > since) {
        continue;
      }
      reader.closing = true;
      stalled.emplace(id, reader.options.close);
    }
  }
  if (stalled.empty()) return;
  // The reason goes before what the broken connection will say.
  Apply([&] {
    mutex_.AssertHeld();
    for (const auto& [id, close] : stalled) LeaveLocked(readers_.at(id), reason);
  });
  for (const auto& [id, close] : stalled) close();
  Apply([&] {
    mutex_.AssertHeld();
    for (const auto& [id, close] : stalled) readers_.at(id).closing = false;
  });
}

v1::Generation Generation::Snapshot(absl::Duration kept) const {
  v1::Generation snapshot;
  std::vector<std::shared_ptr<const PictureFile>> files;
  {
    MutexLock lock(&mutex_);
    snapshot = ToProto(state_, kept);
    files = state_.files;
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a->index < b->index; });
  for (const auto& file : files) *snapshot.add_images() = ToProto(*file);
  return snapshot;
}

}  // namespace easel

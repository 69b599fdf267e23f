#include "server/service/event_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/image/image_codec.h"
#include "server/service/event_conversion.h"
#include "server/service/status_conversion.h"

namespace easel {

class EventStream::PictureListener : public JobListener {
 public:
  PictureListener(std::shared_ptr<EventStream> stream, int index)
      : stream_(std::move(stream)), index_(index) {}
  void OnQueued(int position, std::optional<double> estimated_wait_seconds) override {
    stream_->OnQueued(index_, position, estimated_wait_seconds);
  }
  void OnStarted(const std::string& device) override { stream_->OnStarted(device); }
  void OnProgress(const JobProgress& progress) override { stream_->OnProgress(index_, progress); }
  void OnPreview(int step, Image preview) override { stream_->OnPreview(index_, step, std::move(preview)); }
  void OnImage(Image image, const JobAccounting& accounting) override {
    stream_->OnImage(index_, std::move(image), accounting);
  }
  void OnFailure(const absl::Status& status, const JobAccounting& accounting) override {
    stream_->OnFailure(index_, status, accounting);
  }

 private:
  const std::shared_ptr<EventStream> stream_;
  const int index_;
};

EventStream::EventStream(GenerationPlan plan, Options options)
    : plan_(std::move(plan)),
      options_(std::move(options)),
      pictures_(plan_.pictures.size()),
      last_written_(options_.arrived) {}

std::shared_ptr<JobListener> EventStream::Listener(int index) {
  return std::make_shared<PictureListener>(shared_from_this(), index);
}

template <typename Change>
void EventStream::Apply(Change change) {
  bool wake = false;
  {
    MutexLock lock(&mutex_);
    if (reader_gone_) return;
    change();
    wake = reader_waits_ && HasItemLocked();
    if (wake) reader_waits_ = false;
  }
  if (wake) options_.wake();
}

void EventStream::Begin(std::vector<JobHandle> handles) {
  Apply([&] {
    mutex_.AssertHeld();
    const int tokens_cut = handles.empty() ? 0 : handles.front().tokens_cut();
    if (tokens_cut > 0) {
      const bool both = plan_.resolved.has_prompt() && !plan_.resolved.negative_prompt().empty();
      v1::Warning& warning = warnings_.emplace_back();
      warning.set_field(plan_.resolved.has_prompt() ? "prompt" : "negative_prompt");
      warning.set_message(absl::StrCat(both ? "prompt and negative_prompt were" : warning.field() + " was",
                                       " longer than the model reads: ", tokens_cut,
                                       tokens_cut == 1 ? " token was" : " tokens were",
                                       " cut off at the end"));
      warning.set_tokens_cut(static_cast<uint32_t>(tokens_cut));
    }
    if (status_.ok()) handles_ = std::move(handles);
    begun_ = true;
  });
}

void EventStream::Cancel(absl::Status reason) {
  Apply([&] {
    mutex_.AssertHeld();
    reader_gone_ = true;
    FailLocked(std::move(reason));
    files_.clear();
    for (Picture& picture : pictures_) picture = {};
  });
}

JobAccounting EventStream::accounting() const {
  MutexLock lock(&mutex_);
  return accounting_;
}

// Up from the engine.

void EventStream::OnQueued(int index, int position, std::optional<double> estimated_wait_seconds) {
  if (index != 0) return;  // the first picture is the first to begin
  Apply([&] {
    mutex_.AssertHeld();
    if (started_on_.has_value()) return;
    v1::Queued& queued = queued_.emplace();
    queued.set_position(static_cast<uint32_t>(std::max(position, 0)));
    if (estimated_wait_seconds.has_value()) queued.set_estimated_wait_seconds(*estimated_wait_seconds);
  });
}

void EventStream::OnStarted(const std::string& device) {
  Apply([&] {
    mutex_.AssertHeld();
    if (!started_on_.has_value()) started_on_ = device;
  });
}

void EventStream::OnProgress(int index, const JobProgress& progress) {
  Apply([&] {
    mutex_.AssertHeld();
    pictures_[index].progress = progress;
  });
}

void EventStream::OnPreview(int index, int step, Image preview) {
  bool replaced = false, idle = false;
  Apply([&] {
    mutex_.AssertHeld();
    replaced = pictures_[index].raw_preview.has_value();
    pictures_[index].raw_preview = RawPreview{step, std::move(preview)};
    idle = !std::exchange(pictures_[index].in_pool, true);
  });
  if (replaced) options_.observer->OnPreviewCoalesced(plan_.model);
  if (idle) GiveToPool(index);
}

void EventStream::OnImage(int index, Image image, const JobAccounting& accounting) {
  bool idle = false;
  Apply([&] {
    mutex_.AssertHeld();
    AddLocked(accounting);
    pictures_[index].raw_image = std::move(image);
    idle = !std::exchange(pictures_[index].in_pool, true);
  });
  if (idle) GiveToPool(index);
}

void EventStream::OnFailure(int index, const absl::Status& status, const JobAccounting& accounting) {
  Apply([&] {
    mutex_.AssertHeld();
    AddLocked(accounting);
    pictures_[index].ended = true;
    if (status.code() == absl::StatusCode::kDeadlineExceeded) {
      FailLocked(WithEstimate(status, accounting, plan_.pictures[index].num_inference_steps));
    } else if (status.code() == absl::StatusCode::kInternal) {
      FailLocked(
          absl::InternalError(absl::StrCat(status.message(), " (generation ", options_.generation_id, ")")));
    } else {
      FailLocked(FromEngine(status));
    }
  });
}

void EventStream::FailLocked(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
  handles_.clear();  // half a request is of no use: the others are cancelled
}

void EventStream::AddLocked(const JobAccounting& one) {
  if (!one.device.empty()) {
    accounting_.queue_seconds =
        any_taken_up_ ? std::min(accounting_.queue_seconds, one.queue_seconds) : one.queue_seconds;
    any_taken_up_ = true;
    if (accounting_.device.empty()) accounting_.device = one.device;
  }
  accounting_.encode_seconds += one.encode_seconds;
  accounting_.denoise_seconds += one.denoise_seconds;
  accounting_.decode_seconds += one.decode_seconds;
  accounting_.steps += one.steps;
  accounting_.forwards += one.forwards;
  batch_size_sum_ += one.mean_batch_size * one.forwards;
  accounting_.mean_batch_size = accounting_.forwards > 0 ? batch_size_sum_ / accounting_.forwards : 0;
  accounting_.prompt_cache_hit |= one.prompt_cache_hit;
}

// Through the pool: one task a picture at a time, so that its previews stay before it and in their order.

void EventStream::GiveToPool(int index) {
  options_.pool->Submit([self = shared_from_this(), index] { self->EncodeNext(index); });
}

void EventStream::EncodeNext(int index) {
  std::optional<RawPreview> raw_preview;
  std::optional<Image> raw_image;
  {
    MutexLock lock(&mutex_);
    Picture& picture = pictures_[index];
    raw_preview = std::exchange(picture.raw_preview, std::nullopt);
    if (!raw_preview.has_value()) raw_image = std::exchange(picture.raw_image, std::nullopt);
  }
  v1::PreviewImage preview;
  absl::StatusOr<File> file = absl::CancelledError();
  if (raw_preview.has_value()) preview = EncodePreview(*std::move(raw_preview));
  if (raw_image.has_value()) file = EncodeFile(index, *raw_image);

  bool replaced = false, more = false;
  Apply([&] {
    mutex_.AssertHeld();
    Picture& picture = pictures_[index];
    if (raw_preview.has_value() && !preview.data().empty() && status_.ok()) {
      replaced = picture.preview.has_value();
      picture.preview = std::move(preview);
    }
    if (raw_image.has_value()) {
      picture.ended = true;
      last_written_ = options_.now();
      accounting_.total_seconds = absl::ToDoubleSeconds(last_written_ - options_.arrived);
      if (file.ok()) {
        files_.push_back(*std::move(file));
      } else {
        FailLocked(
            absl::InternalError(absl::StrCat("a picture could not be written: ", file.status().message(),
                                             " (generation ", options_.generation_id, ")")));
      }
    }
    more = picture.raw_preview.has_value() || picture.raw_image.has_value();
    picture.in_pool = more;
  });
  if (replaced) options_.observer->OnPreviewCoalesced(plan_.model);
  if (more) GiveToPool(index);
}

v1::PreviewImage EventStream::EncodePreview(RawPreview raw) const {
  Image image = std::move(raw.image);
  if (plan_.preview_max_size.has_value()) image = Shrink(image, *plan_.preview_max_size);
  absl::StatusOr<std::string> bytes = EncodeImage(image, plan_.preview);
  while (bytes.ok() && bytes->size() > kMaxPreviewBytes) {
    image = Shrink(image, std::max(image.width, image.height) / 2);
    bytes = EncodeImage(image, plan_.preview);
  }
  v1::PreviewImage preview;
  preview.set_step(static_cast<uint32_t>(raw.step));
  preview.set_format(ToProto(plan_.preview.format));
  preview.set_width(static_cast<uint32_t>(image.width));
  preview.set_height(static_cast<uint32_t>(image.height));
  // One that cannot be written (a WebP over 16,383 pixels a side) is left out, like one that came too late.
  if (bytes.ok()) preview.set_data(*std::move(bytes));
  return preview;
}

absl::StatusOr<EventStream::File> EventStream::EncodeFile(int index, const Image& image) const {
  const absl::Time began = options_.now();
  EncodeOptions output = plan_.output;
  if (plan_.embed_parameters) output.parameters = ParametersText(plan_, index);
  absl::StatusOr<std::string> bytes = EncodeImage(image, output);
  if (!bytes.ok()) return bytes.status();
  File file;
  file.index = index;
  file.description.set_index(static_cast<uint32_t>(index));
  file.description.set_seed(plan_.pictures[index].seed);
  file.description.set_format(ToProto(output.format));
  file.description.set_width(static_cast<uint32_t>(image.width));
  file.description.set_height(static_cast<uint32_t>(image.height));
  file.bytes = *std::move(bytes);
  options_.observer->OnPictureWritten(plan_.model, image.width, image.height,
                                      absl::ToDoubleSeconds(options_.now() - began));
  return file;
}

// Down to the reader.

EventStream::Item EventStream::Next() {
  std::optional<v1::GenerationEvent> event;
  {
    MutexLock lock(&mutex_);
    if (!HasItemLocked()) {
      reader_waits_ = true;
      return std::monostate();
    }
    if (reader_gone_) return status_;
    event = TakeEventLocked();
    if (!event.has_value()) return status_;
  }
  if (event->has_preview()) options_.observer->OnPreviewSent(plan_.model);
  return *std::move(event);
}

bool EventStream::HasItemLocked() const {
  if (reader_gone_) return true;
  if (!begun_) return false;
  if (AllEndedLocked() || !files_.empty()) return true;
  if (!status_.ok()) return false;
  return queued_.has_value() || (started_on_.has_value() && !started_sent_) ||
         std::any_of(pictures_.begin(), pictures_.end(), [](const Picture& picture) {
           return picture.progress.has_value() || picture.preview.has_value();
         });
}

bool EventStream::AllEndedLocked() const {
  return std::all_of(pictures_.begin(), pictures_.end(),
                     [](const Picture& picture) { return picture.ended; });
}

// Nothing: only the end is left.
std::optional<v1::GenerationEvent> EventStream::TakeEventLocked() {
  v1::GenerationEvent event = NewEvent();
  if (status_.ok() && !started_sent_) {
    if (queued_.has_value()) {
      *event.mutable_queued() = *std::exchange(queued_, std::nullopt);
      return event;
    }
    if (started_on_.has_value()) {
      *event.mutable_started() = StartedLocked();
      started_sent_ = true;
      return event;
    }
  }
  // A finished picture goes before the news of others, which may never cease; its own last news go before it.
  if (!files_.empty()) {
    const Picture& picture = pictures_[files_.front().index];
    const bool has_news = picture.progress.has_value() || picture.preview.has_value();
    return has_news ? TakePictureEventLocked(files_.front().index) : TakeChunkLocked();
  }
  if (status_.ok()) {
    for (size_t i = 0; i < pictures_.size(); ++i) {
      const size_t index = (next_picture_ + i) % pictures_.size();
      if (!pictures_[index].progress.has_value() && !pictures_[index].preview.has_value()) continue;
      next_picture_ = index + 1;
      return TakePictureEventLocked(static_cast<int>(index));
    }
    if (!std::exchange(done_sent_, true)) {
      *event.mutable_done()->mutable_accounting() = ToProto(accounting_);
      return event;
    }
  }
  return std::nullopt;
}

v1::GenerationEvent EventStream::TakePictureEventLocked(int index) {
  Picture& picture = pictures_[index];
  v1::GenerationEvent event = NewEvent();
  event.set_image_index(static_cast<uint32_t>(index));
  if (picture.progress.has_value()) {
    *event.mutable_progress() = ToProto(*std::exchange(picture.progress, std::nullopt));
  } else {
    *event.mutable_preview() = *std::exchange(picture.preview, std::nullopt);
  }
  return event;
}

v1::GenerationEvent EventStream::TakeChunkLocked() {
  File& file = files_.front();
  v1::GenerationEvent event = NewEvent();
  event.set_image_index(static_cast<uint32_t>(file.index));
  v1::ImageChunk* chunk = event.mutable_image();
  *chunk = file.description;
  chunk->set_chunk(file.bytes.substr(file.sent, kChunkBytes));
  file.sent += chunk->chunk().size();
  chunk->set_last_chunk(file.sent == file.bytes.size());
  if (chunk->last_chunk()) files_.pop_front();
  return event;
}

v1::GenerationEvent EventStream::NewEvent() const {
  v1::GenerationEvent event;
  event.set_generation_id(options_.generation_id);
  return event;
}

v1::Started EventStream::StartedLocked() const {
  v1::Started started;
  *started.mutable_parameters() = plan_.resolved;
  started.set_device(*started_on_);
  started.mutable_warnings()->Add(warnings_.begin(), warnings_.end());
  return started;
}

}  // namespace easel

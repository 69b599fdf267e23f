#include "server/service/event_cursor.h"

#include <algorithm>
#include <utility>

#include "server/service/event_conversion.h"

namespace easel {
namespace {

PickedEvent EventOf(const GenerationState& state) {
  PickedEvent picked;
  picked.event.set_generation_id(state.id);
  return picked;
}

}  // namespace

v1::GenerationEvent PickedEvent::Complete() && {
  if (preview != nullptr) *event.mutable_preview() = *preview;
  if (file != nullptr) {
    v1::ImageChunk* chunk = event.mutable_image();
    *chunk = file->description;
    chunk->set_chunk(file->bytes.substr(offset, kChunkBytes));
    chunk->set_last_chunk(offset + chunk->chunk().size() == file->bytes.size());
  }
  return std::move(event);
}

EventCursor::EventCursor(const GenerationState& state) : seen_(state.pictures.size()) {
  if (state.started_on.has_value()) queued_ = state.queued_version;
}

bool EventCursor::HasNews(const GenerationState& state, size_t picture) const {
  return state.pictures[picture].progress_version > seen_[picture].progress ||
         state.pictures[picture].preview_version > seen_[picture].preview;
}

bool EventCursor::HasNext(const GenerationState& state) const {
  if (!state.begun) return false;
  if (state.AllEnded() || files_ < state.files.size()) return true;
  if (!state.status.ok()) return false;
  if (!started_ && (state.queued_version > queued_ || state.started_on.has_value())) return true;
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (HasNews(state, i)) return true;
  }
  return false;
}

std::optional<PickedEvent> EventCursor::Take(const GenerationState& state) {
  if (state.status.ok() && !started_) {
    PickedEvent picked = EventOf(state);
    if (state.queued_version > queued_) {
      queued_ = state.queued_version;
      *picked.event.mutable_queued() = state.queued;
      return picked;
    }
    if (state.started_on.has_value()) {
      started_ = true;
      v1::Started* started = picked.event.mutable_started();
      *started->mutable_parameters() = state.parameters;
      started->set_device(*state.started_on);
      started->mutable_warnings()->Add(state.warnings.begin(), state.warnings.end());
      return picked;
    }
  }
  // A finished picture goes before the news of others, which may never cease; its own last news go before it.
  if (files_ < state.files.size()) {
    const size_t picture = static_cast<size_t>(state.files[files_]->index);
    return HasNews(state, picture) ? TakeNews(state, picture) : TakeChunk(state);
  }
  if (!state.status.ok()) return std::nullopt;
  for (size_t i = 0; i < seen_.size(); ++i) {
    const size_t picture = (next_picture_ + i) % seen_.size();
    if (!HasNews(state, picture)) continue;
    next_picture_ = picture + 1;
    return TakeNews(state, picture);
  }
  if (std::exchange(done_, true)) return std::nullopt;
  PickedEvent picked = EventOf(state);
  *picked.event.mutable_done()->mutable_accounting() = ToProto(state.accounting);
  return picked;
}

PickedEvent EventCursor::TakeNews(const GenerationState& state, size_t index) {
  const GenerationState::Picture& picture = state.pictures[index];
  Seen& seen = seen_[index];
  PickedEvent picked = EventOf(state);
  picked.event.set_image_index(static_cast<uint32_t>(index));
  if (picture.progress_version > seen.progress) {
    seen.progress = picture.progress_version;
    *picked.event.mutable_progress() = ToProto(*picture.progress);
  } else {
    seen.preview = picture.preview_version;
    picked.event.mutable_preview();
    picked.preview = picture.preview;
  }
  return picked;
}

PickedEvent EventCursor::TakeChunk(const GenerationState& state) {
  PickedEvent picked = EventOf(state);
  picked.file = state.files[files_];
  picked.offset = sent_;
  picked.event.set_image_index(static_cast<uint32_t>(picked.file->index));
  picked.event.mutable_image();
  sent_ = std::min(sent_ + kChunkBytes, picked.file->bytes.size());
  if (sent_ == picked.file->bytes.size()) {
    ++files_;
    sent_ = 0;
  }
  return picked;
}

}  // namespace easel

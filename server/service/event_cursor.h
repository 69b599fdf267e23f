// Where one reader is in a generation: what it was sent, by versions, and so what comes next. Newer progress
// and previews replace older ones that it has not taken; pictures queue up. Holds numbers alone, however slow
// its reader is. Pure: no lock, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "easel/v1/image_generation.pb.h"
#include "server/service/generation_state.h"

namespace easel {

// Bytes of a picture that one message carries, so that it stays well below gRPC's receive limit of 4 MiB.
inline constexpr size_t kChunkBytes = size_t{1} << 20;

// An event whose bytes are still where they were: chosen under a lock, completed without it.
struct PickedEvent {
  v1::GenerationEvent event;
  std::shared_ptr<const v1::PreviewImage> preview;  // null: none
  std::shared_ptr<const PictureFile> file;          // null: none; else its piece from `offset`
  size_t offset = 0;

  v1::GenerationEvent Complete() &&;
};

class EventCursor {
 public:
  // Before the first event. One that comes after work has begun is not told of the queue any more.
  explicit EventCursor(const GenerationState& state);

  // Whether Take has something to give, be it the end.
  bool HasNext(const GenerationState& state) const;
  // The next event. Nothing: only the end is left, state.status. REQUIRES: HasNext.
  std::optional<PickedEvent> Take(const GenerationState& state);

 private:
  struct Seen {
    uint64_t progress = 0, preview = 0;  // versions
  };
  bool HasNews(const GenerationState& state, size_t picture) const;
  PickedEvent TakeNews(const GenerationState& state, size_t picture);
  PickedEvent TakeChunk(const GenerationState& state);

  uint64_t queued_ = 0;  // the version that was sent
  bool started_ = false, done_ = false;
  std::vector<Seen> seen_;   // of each picture
  size_t files_ = 0;         // that were sent whole
  size_t sent_ = 0;          // bytes of the next one
  size_t next_picture_ = 0;  // whose news goes first: they take turns
};

}  // namespace easel

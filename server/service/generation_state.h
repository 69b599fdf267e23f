// How one generation stands: plain values, guarded by whoever has them (generation.h), read by cursors
// (event_cursor.h). What may be replaced by something newer carries a version, so that any number of readers
// can tell what is new to each without a copy of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "easel/v1/image_generation.pb.h"
#include "model/generation_spec.h"
#include "server/engine/job_listener.h"

namespace easel {

// A finished picture, as it is sent.
struct PictureFile {
  int index = 0;
  v1::ImageChunk description;  // all but the bytes
  std::string bytes;
};

struct GenerationState {
  struct Picture {
    std::optional<JobProgress> progress;  // the newest
    uint64_t progress_version = 0;        // counts them; 0: there was none
    std::shared_ptr<const v1::PreviewImage> preview;
    uint64_t preview_version = 0;
    bool ended = false;  // its file is among `files`, or it failed
  };

  bool AllEnded() const {
    return std::all_of(pictures.begin(), pictures.end(),
                       [](const Picture& picture) { return picture.ended; });
  }

  // A picture has ended.
  void Add(const JobAccounting& one);
  // Previews are not shown any more: their pictures are here. REQUIRES: no cursor reads it.
  void DropPreviews();

  std::string id;
  v1::GenerateRequest parameters;  // complete
  bool begun = false;              // the engine has taken it, so that the warnings are known; or refused it
  std::vector<v1::Warning> warnings;
  v1::Queued queued;  // the newest
  uint64_t queued_version = 0;
  std::optional<std::string> started_on;  // the first picture's device
  std::vector<Picture> pictures;
  std::vector<std::shared_ptr<const PictureFile>> files;  // by finish; only ever grows
  absl::Status status;                                    // of the first failure
  JobAccounting accounting;                               // summed over the pictures that have ended
  bool any_taken_up = false;                              // one of those, by a worker
  std::optional<absl::Time> ended_at;                     // the last picture
};

std::vector<v1::Warning> WarningsOf(const TokensCut& cut);

// Without images. `kept`: how long it can be found once it has ended.
v1::Generation ToProto(const GenerationState& state, absl::Duration kept);
v1::GeneratedImage ToProto(const PictureFile& file);

}  // namespace easel

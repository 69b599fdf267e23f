// The events of one generation put together: what Generate would have returned. Its stream may break and
// begin again, on this server or another.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"

namespace easel {

class ResponseGatherer {
 public:
  // Takes the stream's next event, and what it holds out of it. on_event sees it first, a picture's pieces
  // joined: one `image` event, all of it in `chunk`; nothing more about a picture that it has seen so.
  void Take(v1::GenerationEvent& event, const std::function<void(const v1::GenerationEvent&)>& on_event);

  // The stream broke off: its next event is the first of another stream of the same pictures.
  void Restart();

  // `status`: the stream's, if something is missing; Internal where it was OK all the same. What broke off
  // after `done` was whole.
  absl::StatusOr<v1::GenerateResponse> Finish(const absl::Status& status);

 private:
  v1::GenerateResponse response_;
  std::map<uint32_t, std::string> pieces_;  // of pictures not complete yet, by index
  std::set<uint32_t> complete_;             // pictures that on_event has seen
  bool done_ = false;
};

}  // namespace easel

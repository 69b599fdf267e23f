// The events of one generation put together: what Generate would have returned.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"

namespace easel {

class ResponseGatherer {
 public:
  // Takes the stream's next event, and what it holds out of it. on_event sees it first, a picture's pieces
  // joined: one `image` event, all of it in `chunk`.
  void Take(v1::GenerationEvent& event, const std::function<void(const v1::GenerationEvent&)>& on_event);

  // `status`: the stream's. Internal when it was OK although something is missing.
  absl::StatusOr<v1::GenerateResponse> Finish(const absl::Status& status);

 private:
  v1::GenerateResponse response_;
  std::map<uint32_t, std::string> pieces_;  // of pictures not complete yet, by index
  bool done_ = false;
};

}  // namespace easel

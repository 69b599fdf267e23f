#include "client/response_gatherer.h"

#include <algorithm>
#include <utility>

namespace easel {

void ResponseGatherer::Take(v1::GenerationEvent& event,
                            const std::function<void(const v1::GenerationEvent&)>& on_event) {
  response_.set_generation_id(event.generation_id());
  if (event.has_image_index() && complete_.contains(event.image_index())) return;
  if (event.has_started()) {
    *response_.mutable_parameters() = event.started().parameters();
    *response_.mutable_warnings() = event.started().warnings();
  } else if (event.has_done()) {
    *response_.mutable_accounting() = event.done().accounting();
    done_ = true;
  } else if (event.has_image()) {
    std::string& data = pieces_[event.image().index()];
    data += event.image().chunk();
    if (!event.image().last_chunk()) return;
    event.mutable_image()->set_chunk(std::move(data));
    pieces_.erase(event.image().index());
    complete_.insert(event.image_index());
  }
  on_event(event);
  if (!event.has_image()) return;
  v1::GeneratedImage* image = response_.add_images();
  image->set_index(event.image().index());
  image->set_seed(event.image().seed());
  image->set_format(event.image().format());
  image->set_width(event.image().width());
  image->set_height(event.image().height());
  image->set_data(std::move(*event.mutable_image()->mutable_chunk()));
}

void ResponseGatherer::Restart() { pieces_.clear(); }

absl::StatusOr<v1::GenerateResponse> ResponseGatherer::Finish(const absl::Status& status) {
  if (!done_ || !pieces_.empty()) {
    return status.ok() ? absl::InternalError("the server ended the stream before all was sent") : status;
  }
  std::sort(response_.mutable_images()->begin(), response_.mutable_images()->end(),
            [](const auto& a, const auto& b) { return a.index() < b.index(); });
  return std::move(response_);
}

}  // namespace easel

#include "server/service/event_conversion.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/service/status_conversion.h"

namespace easel {

v1::Progress ToProto(const JobProgress& progress) {
  v1::Progress proto;
  proto.set_step(static_cast<uint32_t>(progress.step));
  proto.set_total(static_cast<uint32_t>(progress.total));
  proto.set_time(progress.time);
  proto.set_batch_size(static_cast<uint32_t>(progress.batch_size));
  proto.set_eta_seconds(progress.eta_seconds);
  return proto;
}

absl::Status WithEstimate(const absl::Status& status, const JobAccounting& accounting, int total_steps) {
  std::map<std::string, std::string> figures = {{"steps_done", absl::StrCat(accounting.steps)},
                                                {"steps_total", absl::StrCat(total_steps)},
                                                {"elapsed_seconds", absl::StrCat(accounting.total_seconds)}};
  if (accounting.estimated_seconds.has_value()) {
    figures["estimated_seconds"] = absl::StrCat(*accounting.estimated_seconds);
  } else if (accounting.steps > 0) {
    const double left = accounting.denoise_seconds / accounting.steps * (total_steps - accounting.steps);
    figures["estimated_seconds"] = absl::StrCat(accounting.total_seconds + left);
  }
  return WithReason(status, "DEADLINE_MISSED", figures);
}

v1::Accounting ToProto(const JobAccounting& accounting) {
  v1::Accounting proto;
  proto.set_queue_seconds(accounting.queue_seconds);
  proto.set_encode_seconds(accounting.encode_seconds);
  proto.set_denoise_seconds(accounting.denoise_seconds);
  proto.set_decode_seconds(accounting.decode_seconds);
  proto.set_total_seconds(accounting.total_seconds);
  proto.set_steps_run(static_cast<uint32_t>(accounting.steps));
  proto.set_forwards_run(static_cast<uint32_t>(accounting.forwards));
  proto.set_mean_batch_size(accounting.mean_batch_size);
  proto.set_prompt_cache_hit(accounting.prompt_cache_hit);
  proto.set_device(accounting.device);
  return proto;
}

void Collect(v1::GenerationEvent event, v1::GenerateResponse* answer) {
  if (event.has_started()) {
    answer->mutable_parameters()->Swap(event.mutable_started()->mutable_parameters());
    answer->mutable_warnings()->Swap(event.mutable_started()->mutable_warnings());
  } else if (event.has_done()) {
    answer->mutable_accounting()->Swap(event.mutable_done()->mutable_accounting());
  } else if (event.has_image()) {
    const v1::ImageChunk& chunk = event.image();
    // A picture's pieces come one after another.
    const int last = answer->images_size() - 1;
    const bool goes_on = last >= 0 && answer->images(last).index() == chunk.index();
    v1::GeneratedImage* image = goes_on ? answer->mutable_images(last) : answer->add_images();
    image->set_index(chunk.index());
    image->set_seed(chunk.seed());
    image->set_format(chunk.format());
    image->set_width(chunk.width());
    image->set_height(chunk.height());
    image->mutable_data()->append(chunk.chunk());
  }
}

}  // namespace easel

// What happens to pictures, made up, and the events of it in a few words.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "easel/v1/image_generation.pb.h"
#include "model/image.h"
#include "server/engine/job_listener.h"
#include "server/service/proto_conversion.h"

namespace easel {

inline Image Grey(int side) {
  return {side, side, std::vector<uint8_t>(static_cast<size_t>(side) * side * 3, 128)};
}

inline GenerationPlan PlanOf(int pictures, ImageFormat format = ImageFormat::kRawRgb8) {
  GenerationPlan plan;
  plan.model = "m";
  for (int i = 0; i < pictures; ++i) {
    plan.pictures.emplace_back();
    plan.pictures.back().num_inference_steps = 4;
    plan.pictures.back().seed = 7 + static_cast<uint64_t>(i);
  }
  plan.output.format = format;
  plan.preview.format = ImageFormat::kRawRgb8;
  return plan;
}

inline std::string Describe(const v1::GenerationEvent& event) {
  std::string picture = event.has_image_index() ? absl::StrCat(event.image_index(), ": ") : "";
  switch (event.event_case()) {
    case v1::GenerationEvent::kQueued:
      return absl::StrCat(picture, "queued ", event.queued().position());
    case v1::GenerationEvent::kStarted:
      return absl::StrCat(picture, "started ", event.started().device());
    case v1::GenerationEvent::kProgress:
      return absl::StrCat(picture, "progress ", event.progress().step());
    case v1::GenerationEvent::kPreview:
      return absl::StrCat(picture, "preview ", event.preview().step());
    case v1::GenerationEvent::kImage:
      return absl::StrCat(picture, "image ", event.image().chunk().size(),
                          event.image().last_chunk() ? " last" : "");
    case v1::GenerationEvent::kDone:
      return absl::StrCat(picture, "done");
    default:
      return "nothing";
  }
}

inline JobAccounting On(const std::string& device) {
  JobAccounting accounting;
  accounting.device = device;
  return accounting;
}

inline JobProgress Step(int step) { return {step, 4, 1 - step / 4.0, 2, 0.5}; }

}  // namespace easel

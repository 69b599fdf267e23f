#include "server/service/generation_state.h"

#include "absl/strings/str_cat.h"
#include "server/service/event_conversion.h"

namespace easel {
namespace {

v1::GenerationState StateOf(const GenerationState& state) {
  if (absl::IsCancelled(state.status)) return v1::GENERATION_STATE_CANCELLED;
  if (!state.status.ok()) return v1::GENERATION_STATE_FAILED;
  if (state.ended_at.has_value()) return v1::GENERATION_STATE_DONE;
  return state.started_on.has_value() ? v1::GENERATION_STATE_RUNNING : v1::GENERATION_STATE_QUEUED;
}

}  // namespace

void GenerationState::Add(const JobAccounting& one) {
  JobAccounting& sum = accounting;
  if (!one.device.empty()) {
    sum.queue_seconds = any_taken_up ? std::min(sum.queue_seconds, one.queue_seconds) : one.queue_seconds;
    any_taken_up = true;
    if (sum.device.empty()) sum.device = one.device;
  } else if (!any_taken_up) {
    sum.queue_seconds = std::max(sum.queue_seconds, one.queue_seconds);  // it waited, for nothing
  }
  sum.encode_seconds += one.encode_seconds;
  sum.denoise_seconds += one.denoise_seconds;
  sum.decode_seconds += one.decode_seconds;
  sum.steps += one.steps;
  const double mates = sum.mean_batch_size * sum.forwards + one.mean_batch_size * one.forwards;
  sum.forwards += one.forwards;
  sum.mean_batch_size = sum.forwards > 0 ? mates / sum.forwards : 0;
  sum.prompt_cache_hit |= one.prompt_cache_hit;
}

void GenerationState::DropPreviews() {
  for (Picture& picture : pictures) {
    picture.preview = nullptr;
    picture.preview_version = 0;
  }
}

std::vector<v1::Warning> WarningsOf(const TokensCut& cut) {
  std::vector<v1::Warning> warnings;
  for (const auto& [field, tokens] :
       {std::pair("prompt", cut.prompt), std::pair("negative_prompt", cut.negative_prompt)}) {
    if (tokens == 0) continue;
    v1::Warning& warning = warnings.emplace_back();
    warning.set_field(field);
    warning.set_message(absl::StrCat("is longer than the model reads: ", tokens,
                                     tokens == 1 ? " token was" : " tokens were", " cut off at the end"));
    warning.set_tokens_cut(static_cast<uint32_t>(tokens));
  }
  return warnings;
}

v1::Generation ToProto(const GenerationState& state, absl::Duration kept) {
  v1::Generation proto;
  proto.set_id(state.id);
  proto.set_state(StateOf(state));
  *proto.mutable_parameters() = state.parameters;
  proto.mutable_warnings()->Add(state.warnings.begin(), state.warnings.end());
  if (proto.state() == v1::GENERATION_STATE_QUEUED && state.queued_version > 0) {
    *proto.mutable_queued() = state.queued;
  }
  for (size_t i = 0; i < state.pictures.size(); ++i) {
    if (!state.pictures[i].progress.has_value()) continue;
    v1::PictureProgress* progress = proto.add_progress();
    progress->set_image_index(static_cast<uint32_t>(i));
    *progress->mutable_progress() = ToProto(*state.pictures[i].progress);
  }
  if (!state.status.ok()) {
    proto.set_error_code(static_cast<int>(state.status.code()));
    proto.set_error_message(std::string(state.status.message()));
  }
  if (state.ended_at.has_value()) {
    *proto.mutable_accounting() = ToProto(state.accounting);
    proto.set_expires_at(absl::ToDoubleSeconds(*state.ended_at + kept - absl::UnixEpoch()));
  }
  return proto;
}

v1::GeneratedImage ToProto(const PictureFile& file) {
  v1::GeneratedImage image;
  image.set_index(file.description.index());
  image.set_seed(file.description.seed());
  image.set_format(file.description.format());
  image.set_width(file.description.width());
  image.set_height(file.description.height());
  image.set_data(file.bytes);
  return image;
}

}  // namespace easel

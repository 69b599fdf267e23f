// What a served model can be asked for: its limits, its defaults, and how callers are told of them. Pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"
#include "model/generation_spec.h"
#include "server/engine/engine.h"

namespace easel {

// The operator's.
struct RequestLimits {
  int max_steps = 1000;
  int max_images = 16;
  std::optional<int64_t> max_pixels;  // none: the model's own, see MaxPixels
};

// Most pixels of a picture: the limit, or for a model of one size that, for others four times their default.
int64_t MaxPixels(const ModelInfo& info, const RequestLimits& limits);

// What a request gets that sets nothing. The seed is left to the caller.
GenerationSpec DefaultSpec(const ModelInfo& info, const RequestLimits& limits);

// A spec in a request's words; sent, it gives the spec again.
void WriteSpec(const GenerationSpec& spec, const std::string& model, int num_images,
               v1::GenerateRequest* request);

// The model of that name; empty: the first. NotFound naming those there are.
absl::StatusOr<const ServedModel*> FindModel(std::string_view name, const std::vector<ServedModel>& models);

v1::Model ToProto(const ServedModel& model, const RequestLimits& limits);

// For messages to callers: a text they sent, cut where it is long; and names they may choose from, likewise.
std::string Quoted(std::string_view text);
std::string Listed(const std::vector<std::string>& names);

}  // namespace easel

// The components that families have in common, each read and checked in one way. What is wrong is an error
// that names file and key; a fault of model_index.json is noted in `index`, too.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "model/components.h"
#include "model/conditioning/clip_text_encoder.h"
#include "model/conditioning/t5_text_encoder.h"
#include "model/pipeline.h"

namespace easel {

// A component ([library, class]) that is none of `known` would change the result, so it is refused. Other
// keys, and components that are null or [null, null], are not looked at.
absl::Status CheckComponents(JsonObject& index, const std::vector<std::string_view>& known);

// The class of `component`, one of `known`. Empty where there is none and `optional`.
enum class Presence { kRequired, kOptional };
absl::StatusOr<std::string> ReadClass(JsonObject& index, std::string_view component,
                                      const std::vector<std::string_view>& known,
                                      Presence presence = Presence::kRequired);

// Sets latent_preview, and what the info says of latents and previews, of parts.autoencoder and its config.
absl::Status DescribeAutoencoder(JsonObject& config, int64_t latent_channels, PipelineParts& parts);

// vae/, an AutoencoderKL of so many latent channels: parts.autoencoder, and as above. A shift_factor is what
// SD3 and FLUX have; the other pipelines do not read it.
enum class ShiftFactor { kRead, kUnread };
absl::Status LoadAutoencoderKl(Components& components, JsonObject& index, int64_t latent_channels,
                               ShiftFactor shift_factor, PipelineParts& parts);

// scheduler/, of any class that schedule_config.h knows: schedule, prediction, and what the info says of
// samplers and shift.
absl::Status LoadSchedule(Components& components, JsonObject& index, const FlowConvention& convention,
                          PipelineParts& parts);

struct TextPart {
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<TextEncoder> encoder;
};

// tokenizer<suffix>/ and text_encoder<suffix>/, both there. `check` may find faults of its own in the
// encoder's config, before its weights are read.
absl::Status LoadClip(Components& components, JsonObject& index, const std::string& suffix,
                      TextProjection projection,
                      const std::function<void(const ClipTextParams&, JsonObject&)>& check, TextPart& part);
absl::Status LoadT5(Components& components, JsonObject& index, const std::string& suffix,
                    int64_t max_prompt_tokens,
                    const std::function<void(const T5TextParams&, JsonObject&)>& check, TextPart& part);

// id2label: {"0": "name, other name", …} → class_names, whose entries are empty for classes that it lacks.
// Absent: no names.
absl::Status ReadClassNames(JsonObject& index, ModelInfo& info);

// What the info says of the conditioner, once that is set.
void DescribeConditioner(PipelineParts& parts);

// Sets the sizes that the info says: sample_size latents are the default, and each side is a multiple of
// patch_size of them. After the autoencoder.
void DescribeSizes(int64_t sample_size, int64_t patch_size, PipelineParts& parts);

}  // namespace easel

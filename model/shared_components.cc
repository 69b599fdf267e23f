#include "model/shared_components.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "model/autoencoder/autoencoder_kl.h"
#include "model/conditioning/clip_tokenizer.h"
#include "model/conditioning/t5_tokenizer.h"
#include "model/io/status_macros.h"
#include "model/schedule_config.h"

namespace easel {
namespace {

std::string Listed(const std::vector<std::string_view>& names) {
  return absl::StrJoin(names, ", ", [](std::string* out, std::string_view name) { out->append(name); });
}

void CheckFits(JsonObject& config, const char* key, int64_t value, bool fits, const std::string& against) {
  if (config.status().ok() && !fits) config.Fail(key, absl::StrCat("is ", value, ", but ", against));
}

void CheckVocabulary(JsonObject& config, int64_t vocab_size, const Tokenizer& tokenizer) {
  CheckFits(config, "vocab_size", vocab_size, vocab_size >= tokenizer.vocab_size(),
            absl::StrCat("the tokenizer has ", tokenizer.vocab_size(), " ids"));
}

}  // namespace

absl::Status CheckComponents(JsonObject& index, const std::vector<std::string_view>& known) {
  for (const std::string& key : index.keys()) {
    if (key[0] == '_' || std::find(known.begin(), known.end(), key) != known.end()) continue;
    JsonObject probe = index;  // of another type than a component's: no fault of the file
    const std::vector<std::string> entry = probe.Strings(key, std::vector<std::string>());
    if (probe.status().ok() && entry.size() == 2 && !(entry[0].empty() && entry[1].empty())) {
      index.Fail(key, absl::StrCat("is no component of this pipeline; it has ", Listed(known)));
    }
  }
  return index.status();
}

absl::StatusOr<std::string> ReadClass(JsonObject& index, std::string_view component,
                                      const std::vector<std::string_view>& known, Presence presence) {
  const std::string name = Components::ClassOf(index, component);
  EASEL_RETURN_IF_ERROR(index.status());
  if (name.empty()) {
    if (presence == Presence::kRequired) index.Fail(component, "is missing");
  } else if (std::find(known.begin(), known.end(), name) == known.end()) {
    index.Fail(component, absl::StrCat("\"", name, "\" is not served; known: ", Listed(known)));
  }
  EASEL_RETURN_IF_ERROR(index.status());
  return name;
}

absl::Status DescribeAutoencoder(JsonObject& config, int64_t latent_channels, PipelineParts& parts) {
  const Autoencoder& autoencoder = *parts.autoencoder;
  CheckFits(config, "latent_channels", autoencoder.latent_channels(),
            autoencoder.latent_channels() == latent_channels,
            absl::StrCat("the transformer's are ", latent_channels));
  EASEL_RETURN_IF_ERROR(config.status());
  EASEL_ASSIGN_OR_RETURN(parts.latent_preview, LatentPreview::FromConfig(config, latent_channels));
  if (parts.latent_preview) parts.info.preview_methods.push_back("linear");
  parts.info.preview_methods.push_back("decoder");
  parts.info.latent_channels = static_cast<int>(latent_channels);
  parts.info.latent_downscale = static_cast<int>(autoencoder.downscale());
  return absl::OkStatus();
}

absl::Status LoadAutoencoderKl(Components& components, JsonObject& index, int64_t latent_channels,
                               ShiftFactor shift_factor, PipelineParts& parts) {
  EASEL_ASSIGN_OR_RETURN(const std::string class_name, ReadClass(index, "vae", {"AutoencoderKL"}));
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig("vae", class_name));
  EASEL_ASSIGN_OR_RETURN(AutoencoderKLParams params, AutoencoderKLParams::FromConfig(config));
  if (shift_factor == ShiftFactor::kUnread) params.shift_factor = 0;
  EASEL_RETURN_IF_ERROR(components.Build("vae", [&](const Weights& weights) {
    parts.autoencoder = std::make_unique<AutoencoderKL>(params, weights);
  }));
  return DescribeAutoencoder(config, latent_channels, parts);
}

absl::Status LoadSchedule(Components& components, JsonObject& index, const FlowConvention& convention,
                          PipelineParts& parts) {
  const std::string class_name = Components::ClassOf(index, "scheduler");
  if (index.status().ok() && class_name.empty()) index.Fail("scheduler", "is missing");
  EASEL_RETURN_IF_ERROR(index.status());
  EASEL_ASSIGN_OR_RETURN(JsonObject config,
                         components.OpenConfig("scheduler", class_name, "scheduler_config.json"));
  EASEL_ASSIGN_OR_RETURN(ScheduleConfig read, ReadScheduleConfig(config, convention));
  parts.schedule = std::move(read.schedule);
  parts.prediction = read.prediction;
  ModelInfo& info = parts.info;
  info.samplers = SamplerNames(parts.schedule);
  // DDIMScheduler clamps the latent's guess to ±1 where a file does not say otherwise. A file of another
  // class says nothing, and no latent is meant to be clamped.
  if (class_name != "DDIMScheduler" && !config.Has("clip_sample")) std::erase(info.samplers, "ddim");
  info.default_flow_shift = parts.schedule.shift();
  info.takes_flow_shift = parts.schedule.takes_shift();
  return absl::OkStatus();
}

absl::Status LoadClip(Components& components, JsonObject& index, const std::string& suffix,
                      TextProjection projection,
                      const std::function<void(const ClipTextParams&, JsonObject&)>& check, TextPart& part) {
  const std::string tokenizer = "tokenizer" + suffix, encoder = "text_encoder" + suffix;
  const char* encoder_class =
      projection == TextProjection::kYes ? "CLIPTextModelWithProjection" : "CLIPTextModel";
  EASEL_RETURN_IF_ERROR(ReadClass(index, encoder, {encoder_class}).status());
  EASEL_RETURN_IF_ERROR(ReadClass(index, tokenizer, {"CLIPTokenizer", "CLIPTokenizerFast"}).status());
  EASEL_ASSIGN_OR_RETURN(part.tokenizer, ClipTokenizer::Load(components.Path(tokenizer)));
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig(encoder, encoder_class));
  EASEL_ASSIGN_OR_RETURN(ClipTextParams params, ClipTextParams::FromConfig(config));
  check(params, config);
  CheckFits(config, "max_position_embeddings", params.max_position_embeddings,
            params.max_position_embeddings >= part.tokenizer->max_length(),
            absl::StrCat("the tokenizer's prompts have up to ", part.tokenizer->max_length(), " tokens"));
  CheckVocabulary(config, params.vocab_size, *part.tokenizer);
  EASEL_RETURN_IF_ERROR(config.status());
  return components.Build(encoder,
                          [&](const Weights& weights) {
                            part.encoder = std::make_unique<ClipTextEncoder>(params, weights, projection);
                          },
                          {kClipTextIgnoredTensors.begin(), kClipTextIgnoredTensors.end()});
}

absl::Status LoadT5(Components& components, JsonObject& index, const std::string& suffix,
                    int64_t max_prompt_tokens,
                    const std::function<void(const T5TextParams&, JsonObject&)>& check, TextPart& part) {
  const std::string tokenizer = "tokenizer" + suffix, encoder = "text_encoder" + suffix;
  EASEL_RETURN_IF_ERROR(ReadClass(index, encoder, {"T5EncoderModel"}).status());
  EASEL_RETURN_IF_ERROR(ReadClass(index, tokenizer, {"T5Tokenizer", "T5TokenizerFast"}).status());
  EASEL_ASSIGN_OR_RETURN(part.tokenizer, T5Tokenizer::Load(components.Path(tokenizer), max_prompt_tokens));
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig(encoder, "T5EncoderModel"));
  EASEL_ASSIGN_OR_RETURN(T5TextParams params, T5TextParams::FromConfig(config));
  check(params, config);
  CheckVocabulary(config, params.vocab_size, *part.tokenizer);
  EASEL_RETURN_IF_ERROR(config.status());
  return components.Build(encoder, [&](const Weights& weights) {
    part.encoder = std::make_unique<T5TextEncoder>(params, weights);
  });
}

absl::Status ReadClassNames(JsonObject& index, ModelInfo& info) {
  std::optional<JsonObject> labels = index.Object("id2label");
  EASEL_RETURN_IF_ERROR(index.status());
  if (!labels) return absl::OkStatus();
  info.class_names.resize(info.num_classes);
  for (const std::string& key : labels->keys()) {
    int label = 0;
    if (!absl::SimpleAtoi(key, &label) || label < 0 || label >= info.num_classes) {
      labels->Fail(key, absl::StrCat("is no class; the transformer has 0 … ", info.num_classes - 1));
      continue;
    }
    for (absl::string_view name : absl::StrSplit(labels->String(key), ',')) {
      name = absl::StripAsciiWhitespace(name);
      if (!name.empty()) info.class_names[label].emplace_back(name);
    }
  }
  return labels->status();
}

void DescribeConditioner(PipelineParts& parts) {
  const Conditioner& conditioner = *parts.conditioner;
  ModelInfo& info = parts.info;
  info.takes_prompt = info.takes_negative_prompt = conditioner.takes_prompt();
  info.takes_class = conditioner.takes_class();
  info.takes_guidance = info.takes_prompt || info.takes_class;
  info.takes_unconditional = conditioner.can_be_unconditional();
  info.max_prompt_tokens = static_cast<int>(conditioner.max_prompt_tokens());
  info.num_classes = static_cast<int>(conditioner.num_classes());
}

void DescribeSizes(int64_t sample_size, int64_t patch_size, PipelineParts& parts) {
  ModelInfo& info = parts.info;
  info.default_width = info.default_height = static_cast<int>(sample_size * info.latent_downscale);
  info.size_multiple = static_cast<int>(patch_size * info.latent_downscale);
}

}  // namespace easel

#include "server/service/model_description.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace easel {
namespace {

constexpr size_t kMaxNamesListed = 30;

}  // namespace

std::string Quoted(std::string_view text) {
  constexpr size_t kLongest = 100;  // bytes; an error is no place for more
  std::string shown(text.substr(0, kLongest));
  // A character that was cut in two loses its rest.
  while (shown.size() < text.size() && !shown.empty() && (text[shown.size()] & 0xC0) == 0x80)
    shown.pop_back();
  return absl::StrCat("'", shown, shown.size() < text.size() ? "…" : "", "'");
}

std::string Listed(const std::vector<std::string>& names) {
  if (names.size() <= kMaxNamesListed) return absl::StrJoin(names, ", ");
  return absl::StrCat(absl::StrJoin(names.begin(), names.begin() + kMaxNamesListed, ", "), ", … (",
                      names.size(), " in all, see ListModels)");
}

int64_t MaxPixels(const ModelInfo& info, const RequestLimits& limits) {
  const int64_t pixels = int64_t{info.default_width} * info.default_height;
  if (limits.max_pixels.has_value()) return *limits.max_pixels;
  return info.fixed_size ? pixels : 4 * pixels;
}

GenerationSpec DefaultSpec(const ModelInfo& info, const RequestLimits& limits) {
  GenerationSpec spec;
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = std::min(info.default_steps, limits.max_steps);
  spec.guidance_scale = info.default_guidance_scale;
  spec.sampler = info.samplers.empty() ? "" : info.samplers.front();
  spec.flow_shift = info.default_flow_shift;
  return spec;
}

void WriteSpec(const GenerationSpec& spec, const std::string& model, int num_images,
               v1::GenerateRequest* resolved) {
  resolved->set_model(model);
  if (spec.prompt.has_value()) resolved->set_prompt(*spec.prompt);
  if (spec.class_label.has_value()) resolved->set_class_label(static_cast<uint32_t>(*spec.class_label));
  resolved->set_negative_prompt(spec.negative_prompt);
  resolved->set_num_inference_steps(static_cast<uint32_t>(spec.num_inference_steps));
  resolved->set_guidance_scale(spec.guidance_scale);
  resolved->set_guidance_rescale(spec.guidance_rescale);
  resolved->set_true_cfg_scale(spec.true_cfg_scale);
  resolved->set_width(static_cast<uint32_t>(spec.width));
  resolved->set_height(static_cast<uint32_t>(spec.height));
  resolved->set_num_images(static_cast<uint32_t>(num_images));
  resolved->set_seed(spec.seed);
  resolved->set_sampler(spec.sampler);
  resolved->set_flow_shift(spec.flow_shift);
}

absl::StatusOr<const ServedModel*> FindModel(std::string_view name, const std::vector<ServedModel>& models) {
  if (name.empty()) return &models.front();
  std::vector<std::string> names;
  for (const ServedModel& model : models) {
    if (model.name == name) return &model;
    names.push_back(model.name);
  }
  return absl::NotFoundError(absl::StrCat("model: ", Quoted(name), " given; served are: ", Listed(names)));
}

v1::Model ToProto(const ServedModel& model, const RequestLimits& limits) {
  const ModelInfo& info = model.info;
  v1::Model proto;
  proto.set_name(model.name);
  proto.set_family(info.family);
  v1::ModelLimits* bounds = proto.mutable_limits();
  bounds->set_max_pixels(static_cast<uint64_t>(MaxPixels(info, limits)));
  if (info.fixed_size) {
    v1::Size* size = bounds->add_sizes();
    size->set_width(static_cast<uint32_t>(info.default_width));
    size->set_height(static_cast<uint32_t>(info.default_height));
  }
  bounds->set_size_multiple(static_cast<uint32_t>(info.size_multiple));
  bounds->set_max_side(static_cast<uint32_t>(info.max_side));
  bounds->set_max_steps(static_cast<uint32_t>(limits.max_steps));
  bounds->set_max_images(static_cast<uint32_t>(limits.max_images));
  bounds->set_max_prompt_tokens(static_cast<uint32_t>(info.max_prompt_tokens));

  v1::GenerateRequest* defaults = proto.mutable_defaults();
  WriteSpec(DefaultSpec(info, limits), model.name, /*num_images=*/1, defaults);
  defaults->clear_seed();
  defaults->mutable_output()->set_format(v1::IMAGE_FORMAT_PNG);
  defaults->mutable_output()->set_embed_parameters(true);

  proto.mutable_samplers()->Add(info.samplers.begin(), info.samplers.end());
  proto.mutable_preview_methods()->Add(info.preview_methods.begin(), info.preview_methods.end());
  proto.set_takes_prompt(info.takes_prompt);
  proto.set_takes_negative_prompt(info.takes_negative_prompt);
  proto.set_takes_class(info.takes_class);
  proto.set_takes_unconditional(info.takes_unconditional);
  proto.set_takes_guidance(info.takes_guidance);
  proto.set_takes_true_cfg_scale(info.takes_true_cfg);
  proto.set_takes_flow_shift(info.takes_flow_shift);
  proto.set_class_count(info.takes_class ? static_cast<uint32_t>(info.num_classes) : 0);
  for (size_t label = 0; label < info.class_names.size(); ++label) {
    if (info.class_names[label].empty()) continue;
    v1::ModelClass* entry = proto.add_classes();
    entry->set_label(static_cast<uint32_t>(label));
    entry->mutable_names()->Add(info.class_names[label].begin(), info.class_names[label].end());
  }
  proto.set_device(model.device);
  proto.set_dtype(model.dtype);
  proto.set_memory_bytes(static_cast<uint64_t>(info.weight_bytes));
  return proto;
}

}  // namespace easel

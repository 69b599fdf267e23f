#include "server/service/proto_conversion.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/image/parameters.h"
#include "server/service/status_conversion.h"

namespace easel {
namespace {

constexpr int kDefaultQuality = 90;
constexpr int kPreviewQuality = 75;
constexpr int kMaxPriority = 100;
constexpr size_t kMaxRequestIdBytes = 128;
constexpr int kMaxJpegSide = 65535, kMaxWebpSide = 16383;
constexpr size_t kMaxTextBytes =
    (size_t{4} << 20) - (size_t{64} << 10);  // so that `started` can echo the texts

// Gathers what is wrong, so that a caller hears of everything at once.
class Violations {
 public:
  template <typename Given>
  void Add(std::string field, const Given& given, std::string_view allowed) {
    AddText(std::move(field), absl::StrCat(given, " given; allowed: ", Abseil(allowed)));
  }
  void AddText(std::string field, std::string description) {
    violations_.push_back({std::move(field), std::move(description)});
  }
  bool empty() const { return violations_.empty(); }
  absl::Status ToStatus() const { return InvalidFields(violations_); }

 private:
  static absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }
  std::vector<FieldViolation> violations_;
};

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The label of a class by its name. As written first; else whatever differs only in case and outer blanks.
std::optional<int64_t> ResolveClass(const ModelInfo& info, const std::string& given, Violations* violations) {
  const auto plain = [](const std::string& name) {
    return absl::AsciiStrToLower(absl::StripAsciiWhitespace(name));
  };
  std::vector<int64_t> exact, alike;
  std::vector<std::string> usual;
  for (size_t label = 0; label < info.class_names.size(); ++label) {
    const std::vector<std::string>& names = info.class_names[label];
    if (names.empty()) continue;
    usual.push_back(names.front());
    if (Contains(names, given)) exact.push_back(static_cast<int64_t>(label));
    if (std::any_of(names.begin(), names.end(),
                    [&](const auto& name) { return plain(name) == plain(given); })) {
      alike.push_back(static_cast<int64_t>(label));
    }
  }
  const std::vector<int64_t>& found = exact.empty() ? alike : exact;
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    violations->Add(
        "class_name", Quoted(given),
        usual.empty() ? "none, this model's classes have no names; use class_label" : Listed(usual));
  } else {
    violations->AddText("class_name", absl::StrCat(Quoted(given),
                                                   " given, the name of several classes; allowed: one of "
                                                   "class_label ",
                                                   absl::StrJoin(found, ", ")));
  }
  return std::nullopt;
}

void ConvertCondition(const v1::GenerateRequest& request, const ModelInfo& info, GenerationSpec* spec,
                      Violations* violations) {
  switch (request.condition_case()) {
    case v1::GenerateRequest::kPrompt:
      if (!info.takes_prompt) {
        violations->AddText("prompt",
                            absl::StrCat("a prompt given; allowed: ",
                                         info.takes_class ? "class_label, class_name" : "no condition",
                                         ", this model takes no text"));
      }
      spec->prompt = request.prompt();
      break;
    case v1::GenerateRequest::kClassLabel:
    case v1::GenerateRequest::kClassName: {
      const bool by_name = request.condition_case() == v1::GenerateRequest::kClassName;
      if (!info.takes_class) {
        violations->AddText(
            by_name ? "class_name" : "class_label",
            absl::StrCat("a class given; allowed: ", info.takes_prompt ? "prompt" : "no condition",
                         ", this model has no classes"));
      } else if (by_name) {
        spec->class_label = ResolveClass(info, request.class_name(), violations);
      } else if (request.class_label() >= static_cast<uint32_t>(info.num_classes)) {
        violations->Add("class_label", request.class_label(), absl::StrCat("0 to ", info.num_classes - 1));
      } else {
        spec->class_label = request.class_label();
      }
      break;
    }
    case v1::GenerateRequest::CONDITION_NOT_SET:
      if (!info.takes_unconditional) {
        violations->AddText(info.takes_prompt ? "prompt" : "class_label",
                            absl::StrCat("no condition given; allowed: ", info.takes_prompt ? "prompt" : "",
                                         info.takes_prompt && info.takes_class ? ", " : "",
                                         info.takes_class ? "class_label, class_name" : ""));
      }
      break;
  }
  if (!request.negative_prompt().empty() && !info.takes_negative_prompt) {
    violations->AddText("negative_prompt",
                        "a text given; allowed: none, this model takes no negative prompt");
  }
  spec->negative_prompt = request.negative_prompt();
  if (request.prompt().size() + request.negative_prompt().size() > kMaxTextBytes) {
    violations->AddText(
        request.prompt().size() > request.negative_prompt().size() ? "prompt" : "negative_prompt",
        absl::StrCat("too long; allowed: ", kMaxTextBytes, " bytes, both texts together"));
  }
}

// In [least, most]; NaN is in no range.
double ConvertReal(const char* field, double given, double least, double most, Violations* violations) {
  if (!(given >= least && given <= most)) violations->Add(field, given, absl::StrCat(least, " to ", most));
  return given;
}

void ConvertGuidance(const v1::GenerateRequest& request, const ModelInfo& info, GenerationSpec* spec,
                     Violations* violations) {
  spec->guidance_scale =
      request.has_guidance_scale() ? request.guidance_scale() : info.default_guidance_scale;
  spec->guidance_rescale = request.guidance_rescale();
  spec->true_cfg_scale = request.has_true_cfg_scale() ? request.true_cfg_scale() : 1;
  if (info.takes_guidance) {
    ConvertReal("guidance_scale", spec->guidance_scale, 0, kMaxGuidanceScale, violations);
  } else if (spec->guidance_scale == 0) {
    spec->guidance_scale = 1;  // FLUX.1-schnell's users write 0 for none
  } else if (spec->guidance_scale != 1) {
    violations->Add("guidance_scale", spec->guidance_scale, "1 or 0, this model takes no guidance");
  }
  if (info.takes_true_cfg) {
    ConvertReal("true_cfg_scale", spec->true_cfg_scale, 1, kMaxGuidanceScale, violations);
  } else if (spec->true_cfg_scale != 1) {
    violations->Add("true_cfg_scale", spec->true_cfg_scale, "1, this model takes none");
  }
  if (info.takes_guidance || info.takes_true_cfg) {
    ConvertReal("guidance_rescale", spec->guidance_rescale, 0, 1, violations);
  } else if (spec->guidance_rescale != 0) {
    violations->Add("guidance_rescale", spec->guidance_rescale, "0, this model takes no guidance");
  }
}

void ConvertSize(const v1::GenerateRequest& request, const ModelInfo& info, int64_t max_pixels,
                 GenerationSpec* spec, Violations* violations) {
  const int64_t width = request.has_width() ? request.width() : info.default_width;
  const int64_t height = request.has_height() ? request.height() : info.default_height;
  const std::string sides = info.size_multiple == 1
                                ? absl::StrCat("1 to ", info.max_side)
                                : absl::StrCat("multiples of ", info.size_multiple, " up to ", info.max_side);
  const auto check_side = [&](const char* field, int64_t given, int fixed) {
    if (info.fixed_size) {
      if (given == fixed) return true;
      violations->Add(field, given, absl::StrCat(fixed));
    } else if (given < info.size_multiple || given % info.size_multiple != 0 || given > info.max_side ||
               given > max_pixels) {
      violations->Add(field, given, absl::StrCat(sides, ", width × height up to ", max_pixels));
    } else {
      return true;
    }
    return false;
  };
  const bool width_good = check_side("width", width, info.default_width);
  const bool height_good = check_side("height", height, info.default_height);
  if (width_good && height_good && width * height > max_pixels) {
    violations->Add(request.has_width() ? "width" : "height", absl::StrCat(width, " × ", height),
                    absl::StrCat("width × height up to ", max_pixels));
  }
  spec->width = static_cast<int>(std::min<int64_t>(width, std::numeric_limits<int>::max()));
  spec->height = static_cast<int>(std::min<int64_t>(height, std::numeric_limits<int>::max()));
}

// Counts in [least, most].
int ConvertCount(const char* field, uint32_t given, uint32_t least, uint32_t most, Violations* violations) {
  if (given < least || given > most) violations->Add(field, given, absl::StrCat(least, " to ", most));
  return static_cast<int>(std::min(given, static_cast<uint32_t>(std::numeric_limits<int>::max())));
}

ImageFormat ConvertFormat(const char* field, v1::ImageFormat format, Violations* violations) {
  switch (format) {
    case v1::IMAGE_FORMAT_UNSPECIFIED:
    case v1::IMAGE_FORMAT_PNG:
      return ImageFormat::kPng;
    case v1::IMAGE_FORMAT_JPEG:
      return ImageFormat::kJpeg;
    case v1::IMAGE_FORMAT_WEBP:
      return ImageFormat::kWebp;
    case v1::IMAGE_FORMAT_RAW_RGB8:
      return ImageFormat::kRawRgb8;
    default:
      violations->Add(field, static_cast<int>(format), "PNG, JPEG, WEBP, RAW_RGB8");
      return ImageFormat::kPng;
  }
}

void ConvertOutput(const v1::Output& request, const GenerationSpec& spec, GenerationPlan* plan,
                   Violations* violations) {
  plan->output.format = ConvertFormat("output.format", request.format(), violations);
  const bool lossy = plan->output.format == ImageFormat::kJpeg || plan->output.format == ImageFormat::kWebp;
  const int longest = std::max(spec.width, spec.height);
  if ((plan->output.format == ImageFormat::kJpeg && longest > kMaxJpegSide) ||
      (plan->output.format == ImageFormat::kWebp && longest > kMaxWebpSide)) {
    violations->AddText("output.format",
                        absl::StrCat("cannot hold ", longest, " pixels a side; allowed: PNG, RAW_RGB8"));
  }
  plan->output.quality = kDefaultQuality;
  if (request.has_quality() && !lossy) {
    violations->Add("output.quality", request.quality(), "none, but for JPEG and WEBP");
  } else if (request.has_quality()) {
    plan->output.quality = ConvertCount("output.quality", request.quality(), 1, 100, violations);
  }
  const bool png = plan->output.format == ImageFormat::kPng;
  plan->embed_parameters = request.has_embed_parameters() ? request.embed_parameters() : png;
  if (plan->embed_parameters && !png) {
    violations->Add("output.embed_parameters", "true", "false, only PNG carries parameters");
  }

  v1::Output* resolved = plan->resolved.mutable_output();
  resolved->set_format(ToProto(plan->output.format));
  if (lossy) resolved->set_quality(static_cast<uint32_t>(plan->output.quality));
  resolved->set_embed_parameters(plan->embed_parameters);
}

void ConvertPreview(const v1::Preview& request, const ModelInfo& info, Answer answer, GenerationPlan* plan,
                    Violations* violations) {
  plan->preview.format = ConvertFormat("preview.format", request.format(), violations);
  plan->preview.quality = kPreviewQuality;
  plan->preview_every_n_steps = ConvertCount("preview.every_n_steps", request.every_n_steps(), 0,
                                             std::numeric_limits<int>::max(), violations);
  if (plan->preview_every_n_steps > 0 && answer == Answer::kUnary) {
    violations->AddText("preview",
                        "previews given; allowed: none in a single answer, GenerateStream carries them");
  }
  plan->preview_method = request.method();
  if (info.preview_methods.empty()) {
    if (plan->preview_every_n_steps > 0) {
      violations->Add("preview.every_n_steps", plan->preview_every_n_steps, "0, this model has no previews");
    }
    if (!request.method().empty()) violations->Add("preview.method", Quoted(request.method()), "none");
  } else if (request.method().empty()) {
    plan->preview_method = info.preview_methods.front();
  } else if (!Contains(info.preview_methods, request.method())) {
    violations->Add("preview.method", Quoted(request.method()), Listed(info.preview_methods));
  }
  if (request.has_max_size()) {
    plan->preview_max_size =
        ConvertCount("preview.max_size", request.max_size(), 1, std::numeric_limits<int>::max(), violations);
  }
  if (plan->preview_every_n_steps == 0) return;
  v1::Preview* resolved = plan->resolved.mutable_preview();
  *resolved = request;
  resolved->set_method(plan->preview_method);
  resolved->set_format(ToProto(plan->preview.format));
}

// What becomes of the request among others. The echo has no request_id: sent again, it is another request.
void ConvertHandling(const v1::GenerateRequest& request, GenerationPlan* plan, Violations* violations) {
  if (request.priority() < -kMaxPriority || request.priority() > kMaxPriority) {
    violations->Add("priority", request.priority(), absl::StrCat(-kMaxPriority, " to ", kMaxPriority));
  }
  plan->priority = request.priority();
  switch (request.on_disconnect()) {
    case v1::ON_DISCONNECT_UNSPECIFIED:
    case v1::ON_DISCONNECT_CANCEL:
      break;
    case v1::ON_DISCONNECT_DETACH:
      plan->detach = true;
      break;
    default:
      violations->Add("on_disconnect", static_cast<int>(request.on_disconnect()), "CANCEL, DETACH");
  }
  if (request.request_id().size() > kMaxRequestIdBytes) {
    violations->Add("request_id", Quoted(request.request_id()),
                    absl::StrCat("up to ", kMaxRequestIdBytes, " bytes"));
  }
  plan->resolved.set_priority(plan->priority);
  plan->resolved.set_on_disconnect(plan->detach ? v1::ON_DISCONNECT_DETACH : v1::ON_DISCONNECT_CANCEL);
}

}  // namespace

absl::StatusOr<GenerationPlan> ToPlan(const v1::GenerateRequest& request, const ServedModel& model,
                                      const RequestLimits& limits, Answer answer, uint64_t random_seed) {
  const ModelInfo& info = model.info;
  Violations violations;
  GenerationPlan plan;
  plan.model = model.name;

  GenerationSpec spec = DefaultSpec(info, limits);
  ConvertCondition(request, info, &spec, &violations);
  if (request.has_num_inference_steps()) {
    spec.num_inference_steps = ConvertCount("num_inference_steps", request.num_inference_steps(), 1,
                                            static_cast<uint32_t>(limits.max_steps), &violations);
  }
  ConvertGuidance(request, info, &spec, &violations);
  ConvertSize(request, info, MaxPixels(info, limits), &spec, &violations);
  const int num_images = ConvertCount("num_images", request.has_num_images() ? request.num_images() : 1, 1,
                                      static_cast<uint32_t>(limits.max_images), &violations);
  spec.seed = request.has_seed() ? request.seed() : random_seed;
  if (!request.sampler().empty()) {
    spec.sampler = request.sampler();
    if (!Contains(info.samplers, spec.sampler)) {
      violations.Add("sampler", Quoted(spec.sampler), Listed(info.samplers));
    }
  }
  if (request.has_flow_shift()) {
    spec.flow_shift =
        ConvertReal("flow_shift", request.flow_shift(), kMinFlowShift, kMaxFlowShift, &violations);
    if (!info.takes_flow_shift && spec.flow_shift != info.default_flow_shift) {
      violations.Add("flow_shift", spec.flow_shift,
                     absl::StrCat(info.default_flow_shift, ", this model takes none"));
    }
  }
  ConvertOutput(request.output(), spec, &plan, &violations);
  ConvertPreview(request.preview(), info, answer, &plan, &violations);
  ConvertHandling(request, &plan, &violations);
  if (!violations.empty()) return violations.ToStatus();

  WriteSpec(spec, model.name, num_images, &plan.resolved);
  if (spec.class_label.has_value() && static_cast<size_t>(*spec.class_label) < info.class_names.size()) {
    const std::vector<std::string>& names = info.class_names[*spec.class_label];
    if (!names.empty()) plan.class_name = names.front();
  }
  plan.pictures.assign(num_images, spec);
  for (int i = 0; i < num_images; ++i) plan.pictures[i].seed += static_cast<uint64_t>(i);
  return plan;
}

std::string ParametersText(const GenerationPlan& plan, int index) {
  const v1::GenerateRequest& request = plan.resolved;
  ImageParameters parameters;
  if (request.has_prompt()) parameters.prompt = request.prompt();
  parameters.negative_prompt = request.negative_prompt();
  parameters.num_inference_steps = request.num_inference_steps();
  parameters.sampler = request.sampler();
  parameters.guidance_scale = request.guidance_scale();
  if (request.guidance_rescale() != 0) parameters.guidance_rescale = request.guidance_rescale();
  if (request.true_cfg_scale() != 1) parameters.true_cfg_scale = request.true_cfg_scale();
  parameters.flow_shift = request.flow_shift();
  parameters.seed = request.seed() + static_cast<uint64_t>(index);
  parameters.width = request.width();
  parameters.height = request.height();
  parameters.model = request.model();
  if (request.has_class_label()) parameters.class_label = request.class_label();
  parameters.class_name = plan.class_name;
  return FormatParameters(parameters);
}

v1::ImageFormat ToProto(ImageFormat format) {
  switch (format) {
    case ImageFormat::kPng:
      return v1::IMAGE_FORMAT_PNG;
    case ImageFormat::kJpeg:
      return v1::IMAGE_FORMAT_JPEG;
    case ImageFormat::kWebp:
      return v1::IMAGE_FORMAT_WEBP;
    case ImageFormat::kRawRgb8:
      return v1::IMAGE_FORMAT_RAW_RGB8;
  }
  return v1::IMAGE_FORMAT_UNSPECIFIED;
}

}  // namespace easel

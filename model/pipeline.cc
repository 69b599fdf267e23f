#include "model/pipeline.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/autoencoder/pixels.h"
#include "model/families.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

template <typename... Parts>
absl::Status Refuse(const char* field, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", parts...));
}

absl::Status ValidateCondition(const ModelInfo& info, const GenerationSpec& spec, const Guidance& guidance) {
  if (spec.prompt && !info.takes_prompt) {
    return Refuse(
        "prompt", "this model takes none",
        info.takes_class ? absl::StrCat("; it takes a class_label in 0 … ", info.num_classes - 1) : "");
  }
  if (spec.class_label) {
    if (!info.takes_class) {
      return Refuse("class_label", "this model takes none", info.takes_prompt ? "; it takes a prompt" : "");
    }
    if (spec.prompt) return Refuse("class_label", "cannot be given together with a prompt");
    if (*spec.class_label < 0 || *spec.class_label >= info.num_classes) {
      return Refuse("class_label", *spec.class_label, " is not allowed; this model's are 0 … ",
                    info.num_classes - 1);
    }
  }
  const bool unconditional = !spec.prompt && !spec.class_label;
  if (unconditional && !info.takes_unconditional) {
    return Refuse("prompt", "is missing; this model makes nothing without a condition");
  }
  const std::string scale = info.takes_true_cfg ? absl::StrCat("true_cfg_scale of ", spec.true_cfg_scale)
                                                : absl::StrCat("guidance_scale of ", spec.guidance_scale);
  if (spec.guidance_rescale > 0) {
    if (unconditional) return Refuse("guidance_rescale", "has no effect without a prompt or a class_label");
    if (!guidance.uses_unconditional() || !guidance.uses_conditional()) {
      return Refuse("guidance_rescale", "has no effect at a ", scale);
    }
  }
  if (!spec.negative_prompt.empty()) {
    if (!info.takes_negative_prompt) return Refuse("negative_prompt", "this model takes none");
    if (unconditional) return Refuse("negative_prompt", "has no effect without a prompt or a class_label");
    if (!guidance.uses_unconditional()) {
      return Refuse("negative_prompt", "has no effect at a ", scale);
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateSize(const ModelInfo& info, const char* field, int value, int fixed) {
  if (info.fixed_size && value != fixed) {
    return Refuse(field, value, " is not allowed; this model makes ", info.default_width, "x",
                  info.default_height, " only");
  }
  if (value <= 0 || value % info.size_multiple != 0 || value > info.max_side) {
    return Refuse(field, value, " is not allowed; it must be a positive multiple of ", info.size_multiple,
                  ", at most ", info.max_side);
  }
  return absl::OkStatus();
}

// Written so that NaN is refused too.
absl::Status ValidateRange(const char* field, double value, double least, double most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Refuse(field, value, " is not allowed; it must be in ", least, " … ", most);
}

absl::Status ValidateGuidance(const ModelInfo& info, const GenerationSpec& spec) {
  EASEL_RETURN_IF_ERROR(
      ValidateRange("guidance_scale", spec.guidance_scale, -kMaxGuidanceScale, kMaxGuidanceScale));
  EASEL_RETURN_IF_ERROR(ValidateRange("guidance_rescale", spec.guidance_rescale, 0, 1));
  if (!info.takes_true_cfg) {
    if (spec.true_cfg_scale == 1) return absl::OkStatus();
    return Refuse("true_cfg_scale", "this model takes none; its guidance is guidance_scale");
  }
  EASEL_RETURN_IF_ERROR(ValidateRange("true_cfg_scale", spec.true_cfg_scale, 1, kMaxGuidanceScale));
  return absl::OkStatus();
}

}  // namespace

DenoiseInput NextInput(const Sampler& sampler, const GuidedConditioning& conditioning) {
  DenoiseInput next;
  next.input = sampler.Next();
  next.input.latent = next.input.latent.to(conditioning.dtype);
  if (conditioning.conditional) next.conditional = &*conditioning.conditional;
  if (conditioning.unconditional) next.unconditional = &*conditioning.unconditional;
  next.guidance = conditioning.guidance;
  return next;
}

absl::StatusOr<std::unique_ptr<Pipeline>> Pipeline::Load(const std::string& directory,
                                                         const LoadOptions& options) {
  EASEL_ASSIGN_OR_RETURN(PipelineParts parts, LoadParts(directory, options.device, options.dtype));
  return std::make_unique<Pipeline>(std::move(parts), options);
}

Pipeline::Pipeline(PipelineParts parts) : Pipeline(std::move(parts), LoadOptions()) {}

Pipeline::Pipeline(PipelineParts parts, const LoadOptions& options)
    : parts_(std::move(parts)), options_(options) {}

Guidance Pipeline::GuidanceOf(const GenerationSpec& spec) const {
  const GuidanceRule rule = parts_.guidance_rule;
  const double scale = rule == GuidanceRule::kTrueCfg ? spec.true_cfg_scale : spec.guidance_scale;
  const bool off = rule != GuidanceRule::kAnyScale && scale <= 1;
  return {.scale = off ? 1 : scale, .rescale = spec.guidance_rescale};
}

PictureSize Pipeline::MadeSize(const GenerationSpec& spec) const {
  const PictureSize asked{spec.width, spec.height};
  return parts_.resolution_bins.empty() ? asked : ClosestBin(parts_.resolution_bins, asked);
}

absl::Status Pipeline::Validate(const GenerationSpec& spec) const {
  const ModelInfo& model = info();
  EASEL_RETURN_IF_ERROR(ValidateGuidance(model, spec));
  EASEL_RETURN_IF_ERROR(ValidateCondition(model, spec, GuidanceOf(spec)));
  EASEL_RETURN_IF_ERROR(ValidateSize(model, "width", spec.width, model.default_width));
  EASEL_RETURN_IF_ERROR(ValidateSize(model, "height", spec.height, model.default_height));
  if (spec.num_inference_steps < 1) {
    return Refuse("num_inference_steps", spec.num_inference_steps, " is not allowed; it must be at least 1");
  }
  EASEL_RETURN_IF_ERROR(ValidateRange("flow_shift", spec.flow_shift, kMinFlowShift, kMaxFlowShift));
  if (!model.takes_flow_shift && spec.flow_shift != model.default_flow_shift) {
    return Refuse("flow_shift", "this model takes none");
  }
  if (std::find(model.samplers.begin(), model.samplers.end(), spec.sampler) == model.samplers.end()) {
    return Refuse("sampler", "\"", spec.sampler, "\" is not known; this model has ",
                  absl::StrJoin(model.samplers, ", "));
  }
  const PictureSize made = MadeSize(spec);
  return parts_.schedule
      .Grid(spec.sampler, spec.num_inference_steps, spec.flow_shift, made.height / model.latent_downscale,
            made.width / model.latent_downscale)
      .status();
}

absl::StatusOr<std::unique_ptr<Sampler>> Pipeline::MakeSampler(const GenerationSpec& spec) const {
  c10::InferenceMode guard;
  const int64_t downscale = info().latent_downscale;
  const PictureSize made = MadeSize(spec);
  SamplerOptions options;
  // On the CPU whatever the device, so that a seed is one picture everywhere.
  options.generator = at::detail::createCPUGenerator(spec.seed);
  at::Tensor noise = at::randn({info().latent_channels, made.height / downscale, made.width / downscale},
                               options.generator, at::kFloat);
  options.prediction = parts_.prediction;
  options.schedule = parts_.schedule;
  options.steps = spec.num_inference_steps;
  options.shift = spec.flow_shift;
  return easel::MakeSampler(spec.sampler, options, noise.to(device()));
}

absl::StatusOr<TokenizedPrompts> Pipeline::Tokenize(const GenerationSpec& spec) const {
  const Guidance guidance = GuidanceOf(spec);
  const bool has_condition = spec.prompt || spec.class_label;
  TokenizedPrompts prompts;
  prompts.guidance = guidance;
  if (parts_.guidance_rule == GuidanceRule::kTrueCfg && info().takes_guidance) {
    prompts.embedded_guidance = spec.guidance_scale;
  }
  if (has_condition && guidance.uses_conditional()) {
    EASEL_ASSIGN_OR_RETURN(prompts.conditional, conditioner().Tokenize({spec.prompt, spec.class_label}));
    prompts.tokens_cut.prompt = prompts.conditional->tokens_cut();
  }
  if (!has_condition || guidance.uses_unconditional()) {  // no condition: one row, whatever the scale
    ConditionRequest request;
    if (!spec.negative_prompt.empty()) request.prompt = spec.negative_prompt;
    EASEL_ASSIGN_OR_RETURN(prompts.unconditional, conditioner().Tokenize(request));
    prompts.tokens_cut.negative_prompt = prompts.unconditional->tokens_cut();
  }
  return prompts;
}

absl::StatusOr<GuidedConditioning> Pipeline::Encode(const TokenizedPrompts& prompts) const {
  c10::InferenceMode guard;
  GuidedConditioning encoded;
  encoded.guidance = prompts.guidance;
  encoded.dtype = dtype();
  int with_text = 0, hits = 0;
  auto encode = [&](const std::optional<TokenizedCondition>& condition) -> std::optional<Conditioning> {
    if (!condition) return std::nullopt;
    EncodedCondition row = conditioner().Encode(*condition);
    with_text += condition->has_text();
    hits += row.cache_hit;
    if (prompts.embedded_guidance) {
      row.row.guidance =
          at::full({1}, *prompts.embedded_guidance, at::TensorOptions(device()).dtype(at::kFloat));
    }
    return std::move(row.row);
  };
  encoded.conditional = encode(prompts.conditional);
  encoded.unconditional = encode(prompts.unconditional);
  encoded.cache_hit = with_text > 0 && hits == with_text;
  return encoded;
}

absl::StatusOr<Image> Pipeline::Decode(const at::Tensor& latent, const GenerationSpec& spec) const {
  c10::InferenceMode guard;
  if (parts_.autoencoder == nullptr) return ToImage(latent.expand({3, -1, -1}));  // grey becomes RGB
  const at::Tensor pixels = parts_.autoencoder->Decode(latent.to(dtype()).unsqueeze(0));
  return ToImage(ResizedAndCropped(pixels, {spec.width, spec.height}).squeeze(0));
}

absl::StatusOr<Image> Pipeline::Preview(const at::Tensor& denoised, const GenerationSpec& spec,
                                        std::string_view method) const {
  c10::InferenceMode guard;
  if (method == "linear" && parts_.latent_preview) return parts_.latent_preview->Draw(denoised);
  const std::vector<std::string>& methods = info().preview_methods;
  if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
    return Refuse("preview.method", "\"", std::string(method), "\" is not known; this model has ",
                  absl::StrJoin(methods, ", "));
  }
  return Decode(denoised, spec);
}

absl::StatusOr<Image> Pipeline::Generate(const GenerationSpec& spec) const {
  EASEL_RETURN_IF_ERROR(Validate(spec));
  c10::InferenceMode guard;
  EASEL_ASSIGN_OR_RETURN(TokenizedPrompts prompts, Tokenize(spec));
  EASEL_ASSIGN_OR_RETURN(GuidedConditioning conditioning, Encode(prompts));
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<Sampler> sampler, MakeSampler(spec));
  while (!sampler->done()) {
    sampler->Advance(Denoise(transformer(), {NextInput(*sampler, conditioning)})[0]);
  }
  return Decode(sampler->Denoised(), spec);
}

}  // namespace easel

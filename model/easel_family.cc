#include "model/easel_family.h"

#include <cmath>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/autoencoder/autoencoder_kl.h"
#include "model/autoencoder/book_vae.h"
#include "model/io/status_macros.h"
#include "model/shared_components.h"
#include "model/transformers/easel_dit.h"
#include "model/transformers/reference_dit.h"

namespace easel {
namespace {

// A transformer as its config describes it, not yet built.
struct TransformerPlan {
  int64_t img_size = 0, in_channels = 0;
  int64_t num_classes = 0;  // 0: takes no class
  int64_t context_dim = 0;  // 0: reads no text
  std::function<std::unique_ptr<Transformer>(const Weights&)> build;
};

absl::StatusOr<TransformerPlan> PlanReferenceDit(const std::string& class_name, JsonObject& config) {
  EASEL_ASSIGN_OR_RETURN(ReferenceDitParams params, ReferenceDitParams::FromConfig(class_name, config));
  TransformerPlan plan;
  plan.img_size = params.img_size;
  plan.in_channels = params.in_channels;
  if (params.kind == ReferenceDitKind::kClass) plan.num_classes = params.num_classes;
  if (params.kind == ReferenceDitKind::kText) plan.context_dim = params.context_dim;
  plan.build = [params](const Weights& weights) { return std::make_unique<ReferenceDit>(params, weights); };
  return plan;
}

absl::StatusOr<TransformerPlan> PlanEaselDit(const std::string& class_name, JsonObject& config) {
  EASEL_ASSIGN_OR_RETURN(EaselDiTParams params, EaselDiTParams::FromConfig(config));
  TransformerPlan plan{params.img_size, params.in_channels, params.num_classes, params.context_dim, {}};
  plan.build = [params](const Weights& weights) { return std::make_unique<EaselDiT>(params, weights); };
  return plan;
}

constexpr struct {
  const char* name;
  absl::StatusOr<TransformerPlan> (*plan)(const std::string& class_name, JsonObject& config);
} kTransformers[] = {{"DiT", PlanReferenceDit},
                     {"ConditionalDiT", PlanReferenceDit},
                     {"TextConditionalDiT", PlanReferenceDit},
                     {"EaselDiT", PlanEaselDit}};

using BuildAutoencoder = std::function<std::unique_ptr<Autoencoder>(const Weights&)>;

template <typename Network, typename Params>
absl::StatusOr<BuildAutoencoder> PlanAutoencoder(JsonObject& config) {
  EASEL_ASSIGN_OR_RETURN(Params params, Params::FromConfig(config));
  return BuildAutoencoder(
      [params](const Weights& weights) { return std::make_unique<Network>(params, weights); });
}

constexpr struct {
  const char* name;
  absl::StatusOr<BuildAutoencoder> (*plan)(JsonObject& config);
} kAutoencoders[] = {{"AutoencoderKL", PlanAutoencoder<AutoencoderKL, AutoencoderKLParams>},
                     {"VAE", PlanAutoencoder<BookVae, BookVaeParams>},
                     {"SmallVAE", PlanAutoencoder<BookSmallVae, BookSmallVaeParams>}};

constexpr struct {
  const char* name;
  PredictionKind kind;
} kPredictions[] = {{"flow_prediction", PredictionKind::kVelocity},
                    {"velocity", PredictionKind::kVelocity},
                    {"epsilon", PredictionKind::kEpsilon}};

absl::Status CheckKeys(JsonObject& index) {
  static const auto* known = new std::set<std::string>{"transformer",
                                                       "vae",
                                                       "text_encoder",
                                                       "tokenizer",
                                                       "scheduler",
                                                       "default_num_inference_steps",
                                                       "default_guidance_scale",
                                                       "id2label",
                                                       "text_encoder_attention_mask"};
  for (const std::string& key : index.keys()) {
    if (key[0] != '_' && known->count(key) == 0) index.Fail(key, "is not known to EaselPipeline");
  }
  return index.status();
}

absl::Status LoadTransformer(Components& components, JsonObject& index, PipelineParts& parts,
                             TransformerPlan& plan) {
  parts.info.transformer = Components::ClassOf(index, "transformer");
  if (index.status().ok() && parts.info.transformer.empty()) index.Fail("transformer", "is missing");
  EASEL_RETURN_IF_ERROR(index.status());
  const auto* row = FindByName(kTransformers, parts.info.transformer, index, "transformer");
  EASEL_RETURN_IF_ERROR(index.status());
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig("transformer", row->name));
  EASEL_ASSIGN_OR_RETURN(plan, row->plan(row->name, config));
  return components.Build("transformer",
                          [&](const Weights& weights) { parts.transformer = plan.build(weights); });
}

// Sets autoencoder, latent_preview and what the info says of them.
absl::Status LoadAutoencoder(Components& components, JsonObject& index, const TransformerPlan& plan,
                             PipelineParts& parts) {
  const std::string class_name = Components::ClassOf(index, "vae");
  EASEL_RETURN_IF_ERROR(index.status());
  if (class_name.empty()) {
    if (plan.in_channels != 3 && plan.in_channels != 1) {
      index.Fail("vae", absl::StrCat("is missing: the transformer's in_channels, ", plan.in_channels,
                                     ", are neither 3 (RGB) nor 1 (grey)"));
      return index.status();
    }
    parts.info.preview_methods = {"linear"};  // the latent is the picture
    parts.info.latent_channels = static_cast<int>(plan.in_channels);
  } else {
    const auto* row = FindByName(kAutoencoders, class_name, index, "vae");
    EASEL_RETURN_IF_ERROR(index.status());
    EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig("vae", class_name));
    EASEL_ASSIGN_OR_RETURN(BuildAutoencoder build, row->plan(config));
    EASEL_RETURN_IF_ERROR(
        components.Build("vae", [&](const Weights& weights) { parts.autoencoder = build(weights); }));
    EASEL_RETURN_IF_ERROR(DescribeAutoencoder(config, plan.in_channels, parts));
  }
  DescribeSizes(plan.img_size, plan.img_size, parts);
  return absl::OkStatus();
}

absl::Status LoadEaselSchedule(Components& components, JsonObject& index, PipelineParts& parts) {
  const std::string class_name = Components::ClassOf(index, "scheduler");
  EASEL_RETURN_IF_ERROR(index.status());
  if (class_name.empty()) return absl::OkStatus();
  EASEL_ASSIGN_OR_RETURN(JsonObject config,
                         components.OpenConfig("scheduler", class_name, "scheduler_config.json"));
  if (class_name != "FlowMatchEulerDiscreteScheduler") {
    config.Fail("_class_name",
                absl::StrCat("\"", class_name, "\" is not served; known: FlowMatchEulerDiscreteScheduler"));
  }
  if (config.Bool("use_dynamic_shifting", false)) config.Fail("use_dynamic_shifting", "must be false");
  const double shift = config.Number("shift", 1);
  if (!(shift >= kMinFlowShift && shift <= kMaxFlowShift)) {
    config.Fail("shift", absl::StrCat("must be in ", kMinFlowShift, " … ", kMaxFlowShift));
  }
  const std::string prediction = config.String("prediction_type", "flow_prediction");
  const auto* row = FindByName(kPredictions, prediction, config, "prediction_type");
  EASEL_RETURN_IF_ERROR(config.status());
  parts.prediction = row->kind;
  parts.schedule = NoiseSchedule(shift);
  parts.info.default_flow_shift = shift;
  return absl::OkStatus();
}

// One entry a class, or none at all.
absl::Status CheckClassNames(JsonObject& index, const ModelInfo& info) {
  const size_t entries = index.Has("id2label") ? index.Object("id2label")->keys().size() : info.num_classes;
  if (entries != static_cast<size_t>(info.num_classes)) {
    index.Fail("id2label",
               absl::StrCat("has ", entries, " classes, but the transformer has ", info.num_classes));
  }
  return index.status();
}

absl::Status ReadDefaults(JsonObject& index, ModelInfo& info) {
  info.default_steps = static_cast<int>(index.Int("default_num_inference_steps", 50));
  if (info.default_steps < 1 || info.default_steps > 1000) {
    index.Fail("default_num_inference_steps", "must be in 1 … 1000");
  }
  info.default_guidance_scale =
      index.Number("default_guidance_scale", info.takes_prompt ? 7.5 : (info.takes_class ? 3 : 1));
  if (!(std::abs(info.default_guidance_scale) <= kMaxGuidanceScale)) {
    index.Fail("default_guidance_scale",
               absl::StrCat("must be in ", -kMaxGuidanceScale, " … ", kMaxGuidanceScale));
  }
  return index.status();
}

absl::Status LoadText(Components& components, JsonObject& index, const TransformerPlan& plan,
                      TextPart& text) {
  const std::string encoder = Components::ClassOf(index, "text_encoder");
  const std::string tokenizer = Components::ClassOf(index, "tokenizer");
  EASEL_RETURN_IF_ERROR(index.status());
  if (encoder.empty() != tokenizer.empty()) {
    index.Fail(encoder.empty() ? "text_encoder" : "tokenizer",
               "is missing: text needs tokenizer and text_encoder");
  } else if (plan.context_dim > 0 && encoder.empty()) {
    index.Fail("text_encoder",
               absl::StrCat("is missing: the transformer reads text (context_dim ", plan.context_dim, ")"));
  } else if (plan.context_dim == 0 && !encoder.empty()) {
    index.Fail("text_encoder", "has no use: the transformer reads no text");
  }
  EASEL_RETURN_IF_ERROR(index.status());
  if (encoder.empty()) return absl::OkStatus();
  const auto check = [&plan](const ClipTextParams& params, JsonObject& config) {
    if (params.hidden_size == plan.context_dim) return;
    config.Fail("hidden_size", absl::StrCat("is ", params.hidden_size,
                                            ", but the transformer's context_dim is ", plan.context_dim));
  };
  return LoadClip(components, index, /*suffix=*/"", TextProjection::kNo, check, text);
}

absl::StatusOr<std::unique_ptr<Conditioner>> LoadConditioner(Components& components, JsonObject& index,
                                                             const std::string& transformer,
                                                             const TransformerPlan& plan) {
  TextPart text;  // both null where the directory has neither
  EASEL_RETURN_IF_ERROR(LoadText(components, index, plan, text));
  const bool mask = index.Bool("text_encoder_attention_mask", true);
  if (!mask && transformer != "TextConditionalDiT") {
    index.Fail("text_encoder_attention_mask", "may be false for TextConditionalDiT only");
  }
  EASEL_RETURN_IF_ERROR(index.status());
  if (transformer == "EaselDiT") {
    return MakeEaselConditioner(std::move(text.tokenizer), std::move(text.encoder), plan.num_classes,
                                components.device());
  }
  if (plan.context_dim > 0) {
    return MakeTextConditioner(std::move(text.tokenizer), std::move(text.encoder),
                               mask ? MaskToEncoder::kYes : MaskToEncoder::kNo);
  }
  if (plan.num_classes > 0) return MakeClassConditioner(plan.num_classes, components.device());
  return MakeUnconditional();
}

}  // namespace

absl::StatusOr<PipelineParts> LoadEaselFamily(Components& components, JsonObject& index) {
  EASEL_RETURN_IF_ERROR(CheckKeys(index));
  PipelineParts parts;
  ModelInfo& info = parts.info;
  TransformerPlan plan;
  EASEL_RETURN_IF_ERROR(LoadTransformer(components, index, parts, plan));
  EASEL_RETURN_IF_ERROR(LoadAutoencoder(components, index, plan, parts));
  EASEL_RETURN_IF_ERROR(LoadEaselSchedule(components, index, parts));
  absl::StatusOr<std::unique_ptr<Conditioner>> conditioner =
      LoadConditioner(components, index, info.transformer, plan);
  EASEL_RETURN_IF_ERROR(conditioner.status());
  parts.conditioner = *std::move(conditioner);

  DescribeConditioner(parts);
  info.samplers = SamplerNames();
  EASEL_RETURN_IF_ERROR(ReadClassNames(index, info));
  EASEL_RETURN_IF_ERROR(CheckClassNames(index, info));
  EASEL_RETURN_IF_ERROR(ReadDefaults(index, info));
  info.weight_bytes = components.weight_bytes();
  return parts;
}

}  // namespace easel

#include "tests/bench/denoise_case.h"

#include <ATen/ATen.h>

#include "absl/strings/match.h"
#include "model/components.h"
#include "model/io/status_macros.h"
#include "model/pipeline.h"
#include "model/transformers/dit.h"
#include "model/transformers/easel_dit.h"
#include "model/transformers/flux.h"
#include "model/transformers/mmdit.h"
#include "model/transformers/pixart.h"
#include "tests/bench/flops.h"
#include "tests/bench/random_on.h"

namespace easel {
namespace {

constexpr int64_t kEaselTokens = 24, kPixArtTokens = 300, kSd3Tokens = 77 + 256, kFluxTokens = 512;
constexpr int64_t kFluxSide = 128;  // of the latent of a picture of 1024×1024

absl::StatusOr<DenoiseCase> OfDiT(JsonObject& config, const Weights& weights) {
  EASEL_ASSIGN_OR_RETURN(const DiTParams p, DiTParams::FromConfig(config));
  DenoiseCase c{std::make_shared<DiT>(p, weights), at::kFloat, {p.in_channels, p.sample_size, p.sample_size}, 500, {}, {}};
  c.conditional.label = at::full({1}, 207, at::kLong);
  c.unconditional.label = at::full({1}, p.num_embeds_ada_norm, at::kLong);
  return c;
}

absl::StatusOr<DenoiseCase> OfPixArt(JsonObject& config, const Weights& weights) {
  EASEL_ASSIGN_OR_RETURN(const PixArtParams p, PixArtParams::FromConfig(config));
  DenoiseCase c{std::make_shared<PixArt>(p, weights), at::kFloat, {p.in_channels, p.sample_size, p.sample_size}, 500, {}, {}};
  c.conditional.text = at::randn({1, kPixArtTokens, p.caption_channels});
  c.conditional.text_mask = at::ones({1, kPixArtTokens}, at::kBool);
  c.unconditional = c.conditional;
  return c;
}

absl::StatusOr<DenoiseCase> OfMMDiT(JsonObject& config, const Weights& weights) {
  EASEL_ASSIGN_OR_RETURN(const MMDiTParams p, MMDiTParams::FromConfig(config));
  DenoiseCase c{std::make_shared<MMDiT>(p, weights), at::kFloat, {p.in_channels, p.sample_size, p.sample_size}, 500, {}, {}};
  c.conditional.text = at::randn({1, kSd3Tokens, p.joint_attention_dim});
  c.conditional.pooled = at::randn({1, p.pooled_projection_dim});
  c.unconditional = c.conditional;
  return c;
}

absl::StatusOr<DenoiseCase> OfFlux(JsonObject& config, const Weights& weights) {
  EASEL_ASSIGN_OR_RETURN(const FluxParams p, FluxParams::FromConfig(config));
  DenoiseCase c{std::make_shared<Flux>(p, weights), at::kFloat, {p.in_channels / 4, kFluxSide, kFluxSide}, 0.5, {}, {}};
  c.conditional.text = at::randn({1, kFluxTokens, p.joint_attention_dim});
  c.conditional.pooled = at::randn({1, p.pooled_projection_dim});
  if (p.guidance_embeds) c.conditional.guidance = at::full({1}, 3.5);
  c.unconditional = c.conditional;
  return c;
}

absl::StatusOr<DenoiseCase> OfEaselDiT(JsonObject& config, const Weights& weights) {
  EASEL_ASSIGN_OR_RETURN(const EaselDiTParams p, EaselDiTParams::FromConfig(config));
  DenoiseCase c{std::make_shared<EaselDiT>(p, weights), at::kFloat, {p.in_channels, p.img_size, p.img_size}, 0.5, {}, {}};
  c.conditional.label = at::full({1}, p.num_classes, at::kLong);
  c.conditional.text = at::randn({1, kEaselTokens, p.context_dim});
  c.conditional.text_mask = at::ones({1, kEaselTokens}, at::kBool);
  c.conditional.pooled = at::randn({1, p.context_dim});
  c.unconditional = c.conditional;
  return c;
}

constexpr struct {
  const char* name;
  absl::StatusOr<DenoiseCase> (*make)(JsonObject& config, const Weights& weights);
} kClasses[] = {{"DiTTransformer2DModel", OfDiT},
                {"PixArtTransformer2DModel", OfPixArt},
                {"SD3Transformer2DModel", OfMMDiT},
                {"FluxTransformer2DModel", OfFlux},
                {"EaselDiT", OfEaselDiT}};

// Zeros of any shape in the memory of one, which no kernel of ours takes.
class ZerosWithoutMemory : public WeightSource {
 public:
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override { return at::zeros({}).expand(shape); }
  bool Has(const std::string& name) const override { return false; }
};

absl::StatusOr<DenoiseCase> OfConfig(const std::string& path, const Weights& weights) {
  EASEL_ASSIGN_OR_RETURN(JsonObject config, JsonObject::Open(path));
  const std::string name = config.String("_class_name");
  EASEL_RETURN_IF_ERROR(config.status());
  const auto* row = FindByName(kClasses, name, config, "_class_name");
  EASEL_RETURN_IF_ERROR(config.status());
  return row->make(config, weights);
}

Conditioning On(const Conditioning& c, c10::Device device, c10::ScalarType dtype) {
  auto moved = [&](const at::Tensor& x, bool narrow) {
    return x.defined() ? x.to(device, narrow ? dtype : x.scalar_type()) : x;
  };
  return {moved(c.text, true), moved(c.text_mask, false), moved(c.pooled, true), moved(c.label, false), moved(c.guidance, false)};
}

absl::StatusOr<DenoiseCase> OfDirectory(const std::string& directory, c10::Device device, c10::ScalarType dtype) {
  EASEL_ASSIGN_OR_RETURN(const std::shared_ptr<const Pipeline> pipeline, Pipeline::Load(directory, {device, dtype}));
  const ModelInfo& info = pipeline->info();
  GenerationSpec spec;
  if (info.takes_prompt) spec.prompt = "a red apple";
  if (!info.takes_prompt && info.takes_class) spec.class_label = 0;
  spec.guidance_scale = 3;
  EASEL_ASSIGN_OR_RETURN(const TokenizedPrompts prompts, pipeline->Tokenize(spec));
  EASEL_ASSIGN_OR_RETURN(const GuidedConditioning encoded, pipeline->Encode(prompts));
  const int64_t downscale = info.latent_downscale;
  DenoiseCase c;
  c.transformer = std::shared_ptr<const Transformer>(pipeline, &pipeline->transformer());
  c.latent_shape = {info.latent_channels, info.default_height / downscale, info.default_width / downscale};
  c.time = 0.5;
  c.conditional = *encoded.conditional;
  c.unconditional = encoded.unconditional.value_or(*encoded.conditional);
  return c;
}

}  // namespace

absl::StatusOr<DenoiseCase> LoadDenoiseCase(const std::string& path, c10::Device device) {
  const c10::ScalarType dtype = device.is_cpu() ? at::kFloat : at::kBFloat16;
  const bool is_config = absl::EndsWith(path, ".json");
  RandomOn source(device, dtype);
  EASEL_ASSIGN_OR_RETURN(DenoiseCase c, is_config ? OfConfig(path, Weights(&source)) : OfDirectory(path, device, dtype));
  c.dtype = dtype;
  c.conditional = On(c.conditional, device, dtype);
  c.unconditional = On(c.unconditional, device, dtype);
  return c;
}

absl::StatusOr<int64_t> RowFlops(const std::string& path, const DenoiseCase& of) {
  ZerosWithoutMemory source;
  const std::string config = absl::EndsWith(path, ".json") ? path : path + "/transformer/config.json";
  EASEL_ASSIGN_OR_RETURN(const DenoiseCase twin, OfConfig(config, Weights(&source)));
  const Conditioning row = On(of.conditional, at::kCPU, at::kFloat);
  std::vector<int64_t> shape = of.latent_shape;
  shape.insert(shape.begin(), 1);
  return CountFlops([&] { twin.transformer->Forward(at::zeros(shape), at::full({1}, of.time), row); });
}

}  // namespace easel

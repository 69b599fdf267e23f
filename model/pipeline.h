// One loaded model directory: conditioner, transformer, autoencoder, schedule, and what may be asked of it.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/autoencoder/autoencoder.h"
#include "model/autoencoder/latent_preview.h"
#include "model/conditioning/conditioner.h"
#include "model/denoise.h"
#include "model/generation_spec.h"
#include "model/image.h"
#include "model/model_info.h"
#include "model/resolution_bins.h"
#include "model/sampling/sampler.h"
#include "model/transformers/transformer.h"

namespace easel {

// Which number of a request is the scale of guidance by a second row (sampling/guidance.h), and from where
// on.
enum class GuidanceRule {
  kAnyScale,  // guidance_scale, whatever it is: the book
  kAboveOne,  // guidance_scale above 1; else the conditional row alone: diffusers
  kTrueCfg,   // true_cfg_scale above 1; guidance_scale is told to the network, where the model takes it: FLUX
};

struct PipelineParts {
  ModelInfo info;
  std::unique_ptr<Conditioner> conditioner;
  std::unique_ptr<Transformer> transformer;
  std::unique_ptr<Autoencoder> autoencoder;  // null: the transformer works on pixels
  std::optional<LatentPreview> latent_preview;
  NoiseSchedule schedule;
  PredictionKind prediction = PredictionKind::kVelocity;
  GuidanceRule guidance_rule = GuidanceRule::kAnyScale;
  std::vector<ResolutionBin>
      resolution_bins;  // sizes that pictures are made in and then cut from; empty: any
};

// The prompts of one generation as token ids: the rows that its guidance needs, and no others. A plain value.
struct TokenizedPrompts {
  std::optional<TokenizedCondition> conditional, unconditional;  // as in GuidedConditioning
  Guidance guidance;                                             // of those rows
  std::optional<double> embedded_guidance;                       // what Conditioning::guidance is to be
  TokensCut tokens_cut;
};

// The same after the encoders: what DenoiseInput points at.
struct GuidedConditioning {
  std::optional<Conditioning> conditional;    // absent: guidance scale 0, the unconditional row alone
  std::optional<Conditioning> unconditional;  // absent: no guidance, the conditional row alone
  Guidance guidance;
  bool cache_hit = false;               // every prompt came out of the conditioner's cache
  c10::ScalarType dtype = c10::kFloat;  // what the network computes in, and so takes its latents in
};

// One generation's part in the next forward. `conditioning` must live as long as the result. REQUIRES:
// !sampler.done()
DenoiseInput NextInput(const Sampler& sampler, const GuidedConditioning& conditioning);

// Immutable once built; every method may be called from several threads at once.
class Pipeline {
 public:
  struct LoadOptions {
    c10::Device device = c10::Device(c10::kCPU);
    c10::ScalarType dtype = c10::kFloat;
  };
  // Errors name the file and the key or tensor.
  static absl::StatusOr<std::unique_ptr<Pipeline>> Load(const std::string& directory,
                                                        const LoadOptions& options);
  explicit Pipeline(PipelineParts parts);  // on the CPU, in float32
  Pipeline(PipelineParts parts, const LoadOptions& options);

  const ModelInfo& info() const { return parts_.info; }
  const Conditioner& conditioner() const { return *parts_.conditioner; }
  const Transformer& transformer() const { return *parts_.transformer; }
  c10::Device device() const { return options_.device; }
  c10::ScalarType dtype() const { return options_.dtype; }

  // What a generation starts from, with the noise of spec.seed. `spec` must be one that Validate accepts.
  absl::StatusOr<std::unique_ptr<Sampler>> MakeSampler(const GenerationSpec& spec) const;
  // InvalidArgument whose message begins with the field's name (as in GenerationSpec) for what this model
  // cannot make, or would have to ignore.
  absl::Status Validate(const GenerationSpec& spec) const;
  // Tokenizes what the rows of `spec` need: two, or one where there is no guidance or no condition (then the
  // unconditional row, whatever the scale). Cheap, on the CPU, on any thread. `spec` must
  // be one that Validate accepts.
  absl::StatusOr<TokenizedPrompts> Tokenize(const GenerationSpec& spec) const;
  // Runs the text encoder where there is one; to be called on the device's thread.
  absl::StatusOr<GuidedConditioning> Encode(const TokenizedPrompts& prompts) const;
  // A finished latent (C, h, w) of `spec` to a picture of its size; Internal if it holds NaN or infinity.
  absl::StatusOr<Image> Decode(const at::Tensor& latent, const GenerationSpec& spec) const;
  // `method`: "linear" (a pixel for each of the latent's) or "decoder", one of info().preview_methods.
  absl::StatusOr<Image> Preview(const at::Tensor& denoised, const GenerationSpec& spec,
                                std::string_view method) const;

  // The serial truth that the engine is tested against: one picture, one forward at a time.
  absl::StatusOr<Image> Generate(const GenerationSpec& spec) const;

 private:
  Guidance GuidanceOf(const GenerationSpec& spec) const;
  PictureSize MadeSize(const GenerationSpec& spec) const;  // what the network makes; mostly what is asked for

  PipelineParts parts_;
  LoadOptions options_;
};

}  // namespace easel

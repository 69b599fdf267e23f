#include "model/pixart_family.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/pixart_conditioner.h"
#include "model/io/status_macros.h"
#include "model/shared_components.h"
#include "model/transformers/pixart.h"

namespace easel {
namespace {

// Positions set no limit; this is as much as a config may call its sample_size.
constexpr int64_t kMaxLatentSide = 4096;
// How far a side may be enlarged from a table's longest: all of the enlarged picture is in memory before it
// is cut.
constexpr int kMaxEnlargement = 2;

absl::StatusOr<PipelineParts> LoadPixArtFamily(Components& components, JsonObject& index,
                                               int64_t max_prompt_tokens) {
  EASEL_RETURN_IF_ERROR(
      CheckComponents(index, {"transformer", "vae", "scheduler", "text_encoder", "tokenizer"}));
  PipelineParts parts;
  ModelInfo& info = parts.info;
  EASEL_ASSIGN_OR_RETURN(info.transformer,
                         ReadClass(index, "transformer", {"PixArtTransformer2DModel", "Transformer2DModel"}));
  EASEL_ASSIGN_OR_RETURN(JsonObject config, components.OpenConfig("transformer", info.transformer));
  EASEL_ASSIGN_OR_RETURN(PixArtParams params, PixArtParams::FromConfig(config));
  EASEL_RETURN_IF_ERROR(LoadSchedule(components, index, NoisePath::kBetas, {}, parts));
  TextPart t5;
  EASEL_RETURN_IF_ERROR(LoadT5(
      components, index, "", max_prompt_tokens,
      [&params](const T5TextParams& encoder, JsonObject& encoder_config) {
        CheckWidth(encoder_config, "d_model", encoder.d_model, "caption_channels", params.caption_channels);
      },
      t5));
  EASEL_ASSIGN_OR_RETURN(parts.conditioner,
                         MakePixArtConditioner(std::move(t5.tokenizer), std::move(t5.encoder)));
  EASEL_RETURN_IF_ERROR(
      LoadAutoencoderKl(components, index, params.in_channels, ShiftFactor::kUnread, parts));
  params.pixels_per_latent = parts.autoencoder->downscale();
  EASEL_RETURN_IF_ERROR(components.Build(
      "transformer",
      [&](const Weights& weights) { parts.transformer = std::make_unique<PixArt>(params, weights); },
      {kPixArtIgnoredTensors.begin(), kPixArtIgnoredTensors.end()}));
  parts.guidance_rule = GuidanceRule::kAboveOne;

  DescribeConditioner(parts);
  DescribeSizes(params.sample_size, params.patch_size, kMaxLatentSide, info);
  parts.resolution_bins = PixArtResolutionBins(params.sample_size);
  const int patch_pixels = info.size_multiple;
  const bool fit =
      std::all_of(parts.resolution_bins.begin(), parts.resolution_bins.end(), [&](const auto& bin) {
        return bin.size.width % patch_pixels == 0 && bin.size.height % patch_pixels == 0;
      });
  if (!fit) {
    config.Fail("patch_size",
                absl::StrCat("makes patches of ", patch_pixels,
                             " pixels, which do not divide the sizes of use_resolution_binning"));
    return config.status();
  }
  if (!parts.resolution_bins.empty()) {
    info.size_multiple = 1;
    info.max_side = kMaxEnlargement * parts.resolution_bins.front().size.width;  // the widest is the first
  }
  info.default_steps = 20;
  info.default_guidance_scale = 4.5;
  info.weight_bytes = components.weight_bytes();
  return parts;
}

}  // namespace

absl::StatusOr<PipelineParts> LoadPixArtAlphaFamily(Components& components, JsonObject& index) {
  return LoadPixArtFamily(components, index, kPixArtAlphaTokens);
}

absl::StatusOr<PipelineParts> LoadPixArtSigmaFamily(Components& components, JsonObject& index) {
  return LoadPixArtFamily(components, index, kPixArtSigmaTokens);
}

}  // namespace easel

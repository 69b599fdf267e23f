// A small pipeline whose network a test can hold, and which fails for some classes: a real network (EaselDiT
// with random weights, so that a batch could show in the bits), no files, pixels for latents.
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <memory>
#include <stdexcept>
#include <utility>

#include "model/pipeline.h"
#include "model/transformers/easel_dit.h"
#include "server/engine/guarded.h"
#include "tests/server/engine/gate.h"
#include "tests/testing/random_weights.h"

namespace easel {

class StagedTransformer : public Transformer {
 public:
  StagedTransformer(std::shared_ptr<Gate> gate, std::unique_ptr<Transformer> network)
      : gate_(std::move(gate)), network_(std::move(network)) {}
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override {
    const bool fits = gate_->Forward(latent.size(0));
    const auto asked = [&](int label) { return conditioning.label.eq(label).any().item<bool>(); };
    TORCH_CHECK_WITH(OutOfMemoryError, fits && !asked(kHungryClass), "out of memory");
    if (asked(kThrowingClass)) throw std::runtime_error("the network broke");
    if (asked(kDeviceLosingClass)) throw DeviceLostError("it fell off the bus");
    at::Tensor prediction = network_->Forward(latent, time, conditioning);
    const at::Tensor is_nan = conditioning.label.eq(kNanClass).view({-1, 1, 1, 1});
    return at::where(is_nan, at::full_like(prediction, NAN), prediction);
  }

 private:
  std::shared_ptr<Gate> gate_;
  std::unique_ptr<Transformer> network_;
};

class StagedAutoencoder : public Autoencoder {
 public:
  explicit StagedAutoencoder(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  at::Tensor Encode(const at::Tensor& pixels) const override { return pixels; }
  at::Tensor Decode(const at::Tensor& latent) const override {
    gate_->Decode();
    return at::nan_to_num(latent);  // as a decoder may: what is no number ends as black
  }
  int64_t latent_channels() const override { return 3; }
  int64_t downscale() const override { return 1; }

 private:
  std::shared_ptr<Gate> gate_;
};

inline PipelineParts StagedParts(std::shared_ptr<Gate> gate, uint64_t seed = 1) {
  EaselDiTParams params;
  params.img_size = kStagedSize;
  params.in_channels = 3;
  params.embed_dim = 64;
  params.depth = 2;
  params.num_heads = 4;
  params.num_classes = kStagedClasses;
  RandomWeights weights(seed);
  PipelineParts parts;
  parts.conditioner = MakeClassConditioner(kStagedClasses, at::kCPU);
  parts.transformer =
      std::make_unique<StagedTransformer>(gate, std::make_unique<EaselDiT>(params, Weights(&weights)));
  parts.autoencoder = std::make_unique<StagedAutoencoder>(std::move(gate));
  const at::Tensor colours =
      at::randn({64, 3, kStagedSize, kStagedSize}, at::detail::createCPUGenerator(seed));
  parts.latent_preview = LatentPreview::Fit(colours, colours);
  ModelInfo& info = parts.info;
  info.family = "Staged";
  info.default_width = info.default_height = kStagedSize;
  info.takes_class = info.takes_guidance = info.takes_unconditional = true;
  info.num_classes = kStagedClasses;
  info.samplers = SamplerNames();
  info.preview_methods = {"linear", "decoder"};
  info.latent_channels = 3;
  return parts;
}

inline std::shared_ptr<const Pipeline> MakeStagedPipeline(std::shared_ptr<Gate> gate, uint64_t seed = 1) {
  return std::make_shared<const Pipeline>(StagedParts(std::move(gate), seed));
}

}  // namespace easel

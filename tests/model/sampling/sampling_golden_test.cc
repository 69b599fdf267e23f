// Times, trajectories and guidance against diffusers and loops in float64: tests/golden/parts/sampling.py.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "model/io/safetensors.h"
#include "model/sampling/guidance.h"
#include "model/sampling/sampler.h"

namespace easel {
namespace {

std::shared_ptr<const SafetensorsFile> Golden(const std::string& name) {
  return SafetensorsFile::Open(EASEL_SOURCE_DIR "/tests/golden/data/sampling/" + name).value();
}

double Number(const std::string& text) {
  double value;
  EXPECT_TRUE(absl::SimpleAtod(text, &value)) << text;
  return value;
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

// The network of the trajectories.
at::Tensor Predict(PredictionKind kind, const at::Tensor& x, float t) {
  at::Tensor wave = at::sin(2 * x + t);
  return kind == PredictionKind::kVelocity ? wave - x / 2 : (x - (1 - t) * wave) / t;
}

TEST(SamplingGolden, TimesAreTorchsToTheBit) {
  auto golden = Golden("times.safetensors");
  ASSERT_GE(golden->names().size(), 8u);
  for (const std::string& name : golden->names()) {
    std::vector<std::string> part = absl::StrSplit(name, '_');  // steps, shift
    std::vector<float> times = NoiseSchedule().Times(std::stoi(part[0]), Number(part[1]));
    EXPECT_TRUE(at::equal(at::tensor(times), golden->Get(name))) << name;
  }
}

TEST(SamplingGolden, Trajectories) {
  auto golden = Golden("trajectories.safetensors");
  ASSERT_GE(golden->names().size(), 13u);
  for (const std::string& name : golden->names()) {
    if (name == "noise") continue;
    std::vector<std::string> part = absl::StrSplit(name, '_');  // sampler, kind, steps, shift
    SamplerOptions options;
    options.prediction = part[1] == "epsilon" ? PredictionKind::kEpsilon : PredictionKind::kVelocity;
    options.steps = std::stoi(part[2]);
    options.shift = Number(part[3]);
    auto sampler = MakeSampler(part[0], options, golden->Get("noise")).value();
    at::Tensor states = golden->Get(name);
    while (!sampler->done()) {
      ModelInput input = sampler->Next();
      const int step = sampler->step();
      sampler->Advance(Predict(options.prediction, input.latent, input.time));
      if (sampler->step() == step) continue;  // Heun's first half
      at::Tensor state = sampler->done() ? sampler->Denoised() : sampler->Next().latent;
      EXPECT_LE(MaxDifference(state, states[step]), 1e-6 * states.abs().max().item<double>())
          << name << ", step " << step;
    }
  }
}

TEST(SamplingGolden, GuidanceAndItsRescale) {
  auto golden = Golden("guidance.safetensors");
  at::Tensor conditional = golden->Get("conditional"), unconditional = golden->Get("unconditional");
  for (const std::string& name : golden->names()) {
    if (name == "conditional" || name == "unconditional") continue;
    std::vector<std::string> part = absl::StrSplit(name, '_');  // scale, rescale
    Guidance guidance{Number(part[0]), Number(part[1])};
    EXPECT_LE(MaxDifference(Guide(guidance, conditional, unconditional), golden->Get(name)),
              1e-6 * golden->Get(name).abs().max().item<double>())
        << name;
  }
}

}  // namespace
}  // namespace easel

#include "tests/bench/serial_generation.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "model/denoise.h"
#include "model/pipeline.h"

namespace easel {
namespace {

using Clock = std::chrono::steady_clock;

template <typename T>
T ValueOrExit(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

}  // namespace

struct SerialGeneration::Impl {
  std::unique_ptr<Pipeline> pipeline;
  GenerationSpec spec;
};

SerialGeneration::SerialGeneration(const std::string& model, const std::string& prompt) : impl_(std::make_unique<Impl>()) {
  at::set_num_threads(1);
  impl_->pipeline = ValueOrExit(Pipeline::Load(model, {}));
  const ModelInfo& info = impl_->pipeline->info();
  GenerationSpec& spec = impl_->spec;
  spec.prompt = prompt;
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = info.default_steps;
  spec.guidance_scale = info.default_guidance_scale;
  spec.flow_shift = info.default_flow_shift;
  spec.sampler = info.samplers.front();
}

SerialGeneration::~SerialGeneration() = default;

void SerialGeneration::Generate(uint64_t seed) {
  impl_->spec.seed = seed;
  ValueOrExit(impl_->pipeline->Generate(impl_->spec));
}

double SerialGeneration::BetweenForwards(uint64_t seed) {
  impl_->spec.seed = seed;
  const c10::InferenceMode inference;
  const Pipeline& pipeline = *impl_->pipeline;
  const GuidedConditioning conditioning = ValueOrExit(pipeline.Encode(ValueOrExit(pipeline.Tokenize(impl_->spec))));
  const auto sampler = ValueOrExit(pipeline.MakeSampler(impl_->spec));
  const auto began = Clock::now();
  Clock::duration forwards{};
  while (!sampler->done()) {
    const auto forward_began = Clock::now();
    const at::Tensor prediction = Denoise(pipeline.transformer(), {NextInput(*sampler, conditioning)})[0];
    forwards += Clock::now() - forward_began;
    sampler->Advance(prediction);
  }
  return std::chrono::duration<double>(Clock::now() - began - forwards).count() / sampler->total_steps();
}

}  // namespace easel

#include "tests/bench/serial_generation.h"

#include <ATen/Parallel.h>

#include <cstdlib>
#include <iostream>

#include "model/pipeline.h"

namespace easel {

struct SerialGeneration::Impl {
  std::unique_ptr<Pipeline> pipeline;
  GenerationSpec spec;
};

SerialGeneration::SerialGeneration(const std::string& model, const std::string& prompt) : impl_(std::make_unique<Impl>()) {
  at::set_num_threads(1);
  auto pipeline = Pipeline::Load(model, {});
  if (!pipeline.ok()) {
    std::cerr << pipeline.status().message() << "\n";
    std::exit(1);
  }
  impl_->pipeline = *std::move(pipeline);
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
  const auto image = impl_->pipeline->Generate(impl_->spec);
  if (!image.ok()) {
    std::cerr << image.status() << "\n";
    std::exit(1);
  }
}

}  // namespace easel

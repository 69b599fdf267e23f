// denoise_bench MODEL THREADS: times the forward that generations share, as a worker with so many threads runs it.
//
// Reads lines "ROWS FORWARDS" from standard input and answers each with the mean seconds of a forward, so that bench.py can take
// turns with another implementation of the same network. A guided generation has two rows.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "model/denoise.h"
#include "model/pipeline.h"
#include "server/engine/thread_team.h"

namespace easel {
namespace {

int Run(const std::string& directory, int threads) {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  const auto pipeline = Pipeline::Load(directory, {});
  if (!pipeline.ok()) {
    std::cerr << "denoise_bench: " << pipeline.status().message() << "\n";
    return 1;
  }
  const ModelInfo& info = (*pipeline)->info();
  GenerationSpec spec;
  if (info.takes_prompt) spec.prompt = "a red apple";
  if (!info.takes_prompt && info.takes_class) spec.class_label = 0;
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = 1;
  spec.guidance_scale = 3;
  spec.sampler = info.samplers.front();
  const GuidedConditioning conditioning = *(*pipeline)->Encode(*(*pipeline)->Tokenize(spec));
  std::vector<std::unique_ptr<Sampler>> samplers;  // each with noise of its own
  std::vector<DenoiseInput> inputs;
  ThreadTeam team(threads);
  const ForEach for_each = [&](int n, const std::function<void(int)>& task) { team.Run(n, task); };

  for (int rows, forwards; std::cin >> rows >> forwards;) {
    for (inputs.clear(); RowCount(inputs) < rows;) {
      if (inputs.size() == samplers.size()) {
        spec.seed = samplers.size();
        samplers.push_back(*(*pipeline)->MakeSampler(spec));
      }
      inputs.push_back(NextInput(*samplers[inputs.size()], conditioning));
    }
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < forwards; ++i) Denoise((*pipeline)->transformer(), inputs, threads, for_each);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::cout << took.count() / forwards << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  if (argc != 3 || std::atoi(argv[2]) < 1) {
    std::cerr << "usage: denoise_bench MODEL THREADS\n";
    return 2;
  }
  return easel::Run(argv[1], std::atoi(argv[2]));
}

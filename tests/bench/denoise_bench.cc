// denoise_bench MODEL THREADS: times the forward that generations share, as a worker with so many threads runs it. MODEL: a model
// directory, or the config.json of a transformer of diffusers, which then gets random weights.
//
// Reads lines "ROWS FORWARDS" from standard input and answers each with the mean seconds of a forward, so that bench.py can take
// turns with another implementation of the same network. A guided generation has two rows.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "server/engine/thread_team.h"
#include "tests/bench/denoise_case.h"

namespace easel {
namespace {

int Run(const std::string& path, int threads) {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  const auto loaded = LoadDenoiseCase(path);
  if (!loaded.ok()) {
    std::cerr << "denoise_bench: " << loaded.status().message() << "\n";
    return 1;
  }
  ThreadTeam team(threads);
  const ForEach for_each = [&](int n, const std::function<void(int)>& task) { team.Run(n, task); };

  std::vector<DenoiseInput> inputs;
  for (int rows, forwards; std::cin >> rows >> forwards;) {
    for (inputs.clear(); RowCount(inputs) < rows;) {
      DenoiseInput& input = inputs.emplace_back();
      input.input = {at::randn(loaded->latent_shape), loaded->time};
      input.conditional = &loaded->conditional;
      input.unconditional = &loaded->unconditional;
      input.guidance.scale = 3;
    }
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < forwards; ++i) Denoise(*loaded->transformer, inputs, threads, for_each);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::cout << took.count() / forwards << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  if (argc != 3 || std::atoi(argv[2]) < 1) {
    std::cerr << "usage: denoise_bench MODEL|CONFIG.json THREADS\n";
    return 2;
  }
  return easel::Run(argv[1], std::atoi(argv[2]));
}

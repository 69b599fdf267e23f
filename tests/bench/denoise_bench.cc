// denoise_bench MODEL THREADS [DEVICE]: times the forward that generations share, as a worker with so many threads runs it. MODEL: a
// model directory, or the config.json of a transformer of diffusers, which then gets random weights. DEVICE: cpu, or cuda:0, where it
// has not been run yet.
//
// Reads lines "ROWS FORWARDS" from standard input and answers each with
//   SECONDS FLOPS CEILING BYTES
// the mean seconds of a forward; its floating-point operations a second (products and attention); those of plain products, measured
// right before it on the same threads; the most memory so far. So bench.py can take turns with another implementation of the same
// network. A guided generation has two rows.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "server/engine/thread_team.h"
#include "tests/bench/bench_device.h"
#include "tests/bench/denoise_case.h"

namespace easel {
namespace {

int Run(const std::string& path, int threads, c10::Device device) {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  const auto loaded = LoadDenoiseCase(path, device);
  const auto row_flops = loaded.ok() ? RowFlops(path, *loaded) : loaded.status();
  if (!row_flops.ok()) {
    std::cerr << "denoise_bench: " << row_flops.status().message() << "\n";
    return 1;
  }
  ThreadTeam team(threads);
  const ForEach for_each = [&](int n, const std::function<void(int)>& task) { team.Run(n, task); };

  std::vector<DenoiseInput> inputs;
  for (int rows, forwards; std::cin >> rows >> forwards;) {
    for (inputs.clear(); RowCount(inputs) < rows;) {
      DenoiseInput& input = inputs.emplace_back();
      input.input = {at::randn(loaded->latent_shape).to(device, loaded->dtype), loaded->time};
      input.conditional = &loaded->conditional;
      input.unconditional = &loaded->unconditional;
      input.guidance.scale = 3;
    }
    const double ceiling = MeasuredCeiling(device, loaded->dtype, threads, for_each);
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < forwards; ++i) WaitFor(Denoise(*loaded->transformer, inputs, threads, for_each).back());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const double seconds = took.count() / forwards;
    std::cout << seconds << " " << rows * *row_flops / seconds << " " << ceiling << " " << PeakBytes(device) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4 || std::atoi(argv[2]) < 1) {
    std::cerr << "usage: denoise_bench MODEL|CONFIG.json THREADS [cpu|cuda:0]\n";
    return 2;
  }
  try {
    return easel::Run(argv[1], std::atoi(argv[2]), c10::Device(argc == 4 ? argv[3] : "cpu"));
  } catch (const c10::Error& error) {
    std::cerr << "denoise_bench: " << error.what_without_backtrace() << "\n";
    return 1;
  }
}

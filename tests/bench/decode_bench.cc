// decode_bench CONFIG.json THREADS [DEVICE]: times the decoder of diffusers' AutoencoderKL with random weights: on the CPU in float32 on
// a worker's team of so many threads. DEVICE: cpu, or cuda:0 in bfloat16, where it has not been run yet.
//
// Reads lines "SIDE DECODES" from standard input and answers each with the mean seconds of decoding a picture of SIDE × SIDE pixels,
// and the most memory so far in bytes.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "model/autoencoder/autoencoder_kl.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"
#include "model/nn/spread.h"
#include "server/engine/thread_team.h"
#include "tests/bench/bench_device.h"
#include "tests/bench/random_on.h"

namespace easel {
namespace {

absl::Status Run(const std::string& path, int threads, c10::Device device) {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  ThreadTeam team(threads);
  const ForEach on_team = [&team](int n, const std::function<void(int)>& task) { team.Run(n, task); };
  const SpreadOver spread(on_team);
  const c10::ScalarType dtype = device.is_cpu() ? at::kFloat : at::kBFloat16;
  EASEL_ASSIGN_OR_RETURN(JsonObject config, JsonObject::Open(path));
  EASEL_ASSIGN_OR_RETURN(const AutoencoderKLParams params, AutoencoderKLParams::FromConfig(config));
  RandomOn source(device, dtype);
  const AutoencoderKL autoencoder(params, Weights(&source));
  for (int side, decodes; std::cin >> side >> decodes;) {
    const int64_t size = side / autoencoder.downscale();
    const at::Tensor latent = at::randn({1, params.latent_channels, size, size}).to(device, dtype);
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < decodes; ++i) WaitFor(autoencoder.Decode(latent));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::cout << took.count() / decodes << " " << PeakBytes(device) << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4 || std::atoi(argv[2]) < 1) {
    std::cerr << "usage: decode_bench CONFIG.json THREADS [cpu|cuda:0]\n";
    return 2;
  }
  try {
    const absl::Status status = easel::Run(argv[1], std::atoi(argv[2]), c10::Device(argc == 4 ? argv[3] : "cpu"));
    if (!status.ok()) std::cerr << "decode_bench: " << status.message() << "\n";
    return status.ok() ? 0 : 1;
  } catch (const c10::Error& error) {
    std::cerr << "decode_bench: " << error.what_without_backtrace() << "\n";
    return 1;
  }
}

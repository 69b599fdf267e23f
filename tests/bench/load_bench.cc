// load_bench write DIR F32|BF16: writes a DiTPipeline of DiT-XL/2's shapes at 256×256, with random weights of that dtype.
// load_bench load DIR: loads a model directory as the server does, on the CPU in float32, and prints the bytes of its weights as they
// are served, the most memory that the process ever had, and the seconds that the load took. What was read from a file and is still
// mapped counts.
#include <ATen/ATen.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>

#include "absl/strings/str_replace.h"
#include "model/io/file.h"
#include "model/io/json.h"
#include "model/io/safetensors.h"
#include "model/io/status_macros.h"
#include "model/pipeline.h"
#include "tests/bench/bench_device.h"
#include "tests/testing/published_shapes.h"

namespace easel {
namespace {

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/";

absl::Status WriteComponent(const std::string& directory, const std::string& published, c10::ScalarType dtype) {
  std::filesystem::create_directories(directory);
  std::filesystem::copy_file(kData + "true_configs/" + published + "/config.json", directory + "/config.json");
  NamedTensors tensors;
  for (const auto& [name, shape] : PublishedShapes(published)) tensors.emplace_back(name, at::randn(shape).to(dtype));
  return WriteSafetensors(directory + "/diffusion_pytorch_model.safetensors", tensors);
}

absl::Status Write(const std::string& directory, const std::string& dtype) {
  const c10::ScalarType type = dtype == "F32" ? at::kFloat : at::kBFloat16;
  const std::string tiny = kData + "pipelines/dit";
  std::filesystem::create_directories(directory);
  // The published model came before diffusers gave its transformer a class of its own.
  EASEL_ASSIGN_OR_RETURN(const std::string index, ReadFile(tiny + "/model_index.json", 1 << 20));
  EASEL_RETURN_IF_ERROR(WriteTextFile(directory + "/model_index.json",
                                      absl::StrReplaceAll(index, {{"DiTTransformer2DModel", "Transformer2DModel"}})));
  std::filesystem::copy(tiny + "/scheduler", directory + "/scheduler", std::filesystem::copy_options::recursive);
  EASEL_RETURN_IF_ERROR(WriteComponent(directory + "/transformer", "dit_xl_2_256", type));
  return WriteComponent(directory + "/vae", "vae_sd", type);
}

absl::Status Load(const std::string& directory) {
  const auto began = std::chrono::steady_clock::now();
  EASEL_ASSIGN_OR_RETURN(const std::unique_ptr<Pipeline> pipeline, Pipeline::Load(directory, {}));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::cout << pipeline->info().weight_bytes << " " << PeakBytes(at::kCPU) << " " << took.count() << std::endl;
  return absl::OkStatus();
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "", dtype = argc > 3 ? argv[3] : "";
  const bool write = mode == "write" && argc == 4 && (dtype == "F32" || dtype == "BF16");
  if (!write && !(mode == "load" && argc == 3)) {
    std::cerr << "usage: load_bench write DIR F32|BF16, or load_bench load DIR\n";
    return 2;
  }
  const absl::Status status = write ? easel::Write(argv[2], dtype) : easel::Load(argv[2]);
  if (!status.ok()) std::cerr << "load_bench: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

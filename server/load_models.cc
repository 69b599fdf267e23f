#include "server/load_models.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "model/io/checkpoint.h"
#include "model/io/status_macros.h"
#include "model/pipeline.h"
#include "server/engine/measure_costs.h"

namespace easel {
namespace {

int GpuCount() { return at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0; }

int Cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

// What LoadOptions::dtype means for a model directory on a device.
absl::StatusOr<c10::ScalarType> DtypeFor(const std::string& option, const std::string& device,
                                         const std::string& directory) {
  if (option == "bfloat16") return c10::kBFloat16;
  if (option == "float16") return c10::kHalf;
  if (option == "float32" || device == "cpu") return c10::kFloat;
  EASEL_ASSIGN_OR_RETURN(const c10::ScalarType stored, StoredDtype(directory + "/transformer"));
  return stored == c10::kBFloat16 || stored == c10::kHalf ? stored : c10::kFloat;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveDevices(const std::string& devices) {
  std::vector<std::string> resolved;
  if (devices == "auto") {
    for (int i = 0; i < GpuCount(); ++i) resolved.push_back(absl::StrCat("cuda:", i));
    if (resolved.empty()) resolved.push_back("cpu");
    return resolved;
  }
  for (const std::string& device : std::vector<std::string>(absl::StrSplit(devices, ','))) {
    std::string name = device == "cuda" ? "cuda:0" : device;
    int gpu = 0;
    if (name != "cpu" &&
        (!absl::StartsWith(name, "cuda:") || !absl::SimpleAtoi(name.substr(5), &gpu) || gpu < 0)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--device: '", device, "' is no device; allowed: auto, cpu, cuda:N, or several with commas"));
    }
    if (name != "cpu" && gpu >= GpuCount()) {
#ifdef EASEL_CUDA
      const std::string why = absl::StrCat("this machine has ", GpuCount(), " GPUs that LibTorch can use");
#else
      const std::string why = "this easeld was built without CUDA (cmake -DEASEL_CUDA=ON)";
#endif
      return absl::InvalidArgumentError(absl::StrCat("--device: ", name, " is not here: ", why));
    }
    if (std::find(resolved.begin(), resolved.end(), name) != resolved.end()) {
      return absl::InvalidArgumentError(absl::StrCat("--device: ", name, " comes twice"));
    }
    resolved.push_back(std::move(name));
  }
  return resolved;
}

absl::StatusOr<std::vector<LoadedModel>> LoadModels(const LoadOptions& options,
                                                    const std::vector<std::string>& devices) {
  std::vector<LoadedModel> models;
  for (const ModelSource& source : options.models) {
    for (const std::string& device : devices) {
      const absl::Time began = absl::Now();
      try {
        EASEL_ASSIGN_OR_RETURN(const c10::ScalarType dtype,
                               DtypeFor(options.dtype, device, source.directory));
        EASEL_ASSIGN_OR_RETURN(std::shared_ptr<const Pipeline> pipeline,
                               Pipeline::Load(source.directory, {c10::Device(device), dtype}));
        models.push_back({{source.name, std::move(pipeline)}, absl::ToDoubleSeconds(absl::Now() - began)});
      } catch (const std::exception& error) {  // LibTorch's, such as a device without memory left
        return absl::InternalError(absl::StrCat(source.directory, ": ", error.what()));
      }
    }
  }
  return models;
}

absl::StatusOr<CpuLayout> LayoutFor(const LoadOptions& options, const std::vector<LoadedModel>& models) {
  const int cores = Cores();
  CpuLayout layout;
  if (options.workers.has_value() && options.threads.has_value()) {
    layout = {*options.workers, *options.threads};
  } else if (options.workers.has_value()) {
    layout = {*options.workers, std::max(1, cores / *options.workers)};
  } else if (options.threads.has_value()) {
    layout = {std::max(1, cores / *options.threads), *options.threads};
  } else {
    for (const LoadedModel& model : models) {
      if (OnCpu(model)) return ChooseCpuLayout(*model.model.pipeline, cores);
    }
  }
  if (int64_t{layout.workers} * layout.threads > cores) {
    return absl::InvalidArgumentError(absl::StrCat("--workers ", layout.workers, " × --threads ",
                                                   layout.threads, " is more than this machine's ", cores,
                                                   " cores"));
  }
  return layout;
}

absl::StatusOr<std::vector<ModelCosts>> CostsOf(const std::vector<LoadedModel>& models,
                                                const CpuLayout& layout, int max_batch_rows,
                                                std::vector<ModelCosts> costs) {
  for (const LoadedModel& model : models) {
    const auto& [name, pipeline] = model.model;
    const std::string device = pipeline->device().str();
    const bool known = std::any_of(costs.begin(), costs.end(), [&](const ModelCosts& c) {
      return c.model == name && c.device == device;
    });
    if (known) continue;
    const int rows = max_batch_rows > 0 ? max_batch_rows : MaxBatchRows(device);
    const CpuLayout here = OnCpu(model) ? layout : CpuLayout{};
    EASEL_ASSIGN_OR_RETURN(ModelCosts measured, MeasureCosts(name, *pipeline, here, rows));
    costs.push_back(std::move(measured));
  }
  return costs;
}

bool OnCpu(const LoadedModel& model) { return model.model.pipeline->device().is_cpu(); }

std::vector<std::string> Describe(const LoadOptions& options, const std::vector<LoadedModel>& models) {
  std::vector<std::string> lines;
  for (const LoadedModel& model : models) {
    const auto& [name, pipeline] = model.model;
    const auto source = std::find_if(options.models.begin(), options.models.end(),
                                     [&name](const ModelSource& each) { return each.name == name; });
    lines.push_back(absl::StrFormat("model %s: %s on %s, %d MiB of weights, loaded in %.1f s", name,
                                    source->directory, pipeline->device().str(),
                                    pipeline->info().weight_bytes >> 20, model.load_seconds));
  }
  return lines;
}

}  // namespace easel

// From what the flags say to pipelines on devices; the only part of the app that knows LibTorch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/cpu_layout.h"
#include "server/engine/engine.h"

namespace easel {

// A model and how long its loading took.
struct LoadedModel {
  NamedPipeline model;
  double load_seconds = 0;
};

struct ModelSource {
  std::string name;
  std::string directory;
};

struct LoadOptions {
  std::vector<ModelSource> models;      // at least one
  std::string devices = "auto";         // "cpu", "cuda:0", "cuda:0,cuda:1", "auto": every GPU, else the CPU
  std::string dtype;                    // "float32", "bfloat16", "float16"; empty: float32 on the CPU, as the transformer is stored elsewhere
  std::optional<int> workers, threads;  // of the CPU; none: measured
};

// The devices one by one. InvalidArgument for what is no device, or not here.
absl::StatusOr<std::vector<std::string>> ResolveDevices(const std::string& devices);

// Every model on every device. Errors name the directory, the file and the key or tensor. REQUIRES: devices
// as ResolveDevices gives them.
absl::StatusOr<std::vector<LoadedModel>> LoadModels(const LoadOptions& options,
                                                    const std::vector<std::string>& devices);

// How many workers and threads serve the CPU; measured on the first model where the options do not say.
absl::StatusOr<CpuLayout> LayoutFor(const LoadOptions& options, const std::vector<LoadedModel>& models);

// What each model's work takes on its device, for EngineOptions::known_costs: of `costs`, and measured where that
// does not have it. `max_batch_rows`: as in EngineOptions. Errors: those of MeasureCosts.
absl::StatusOr<std::vector<ModelCosts>> CostsOf(const std::vector<LoadedModel>& models, const CpuLayout& layout,
                                                int max_batch_rows, std::vector<ModelCosts> costs);

// A line for each model on each device, for people: name, directory, device, memory, how long it took.
std::vector<std::string> Describe(const LoadOptions& options, const std::vector<LoadedModel>& models);
bool OnCpu(const LoadedModel& model);

}  // namespace easel

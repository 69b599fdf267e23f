#include "model/train/run_state.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/io/status_macros.h"

namespace easel {

Ema::Ema(const NamedTensors& parameters, double decay) : parameters_(parameters), decay_(decay) {
  for (const auto& [name, tensor] : parameters) averages_.emplace_back(name, tensor.detach().clone());
}

void Ema::Update(int64_t step) {
  c10::NoGradGuard no_grad;
  const double decay = std::min(decay_, (1.0 + step) / (10.0 + step));
  for (size_t i = 0; i < averages_.size(); ++i) averages_[i].second.lerp_(parameters_[i].second, 1 - decay);
}

absl::Status SaveRun(const std::string& path, const TrainableWeights& weights, const Ema& ema, const Optimizer& optimizer) {
  NamedTensors all;
  auto add = [&all](const std::string& prefix, const NamedTensors& tensors) {
    for (const auto& [name, tensor] : tensors) all.emplace_back(prefix + name, tensor.detach().cpu().contiguous());
  };
  add("parameter.", weights.parameters());
  add("ema.", ema.averages());
  add("optimizer.", optimizer.State());
  return WriteSafetensors(path, all, {{"steps", absl::StrCat(optimizer.steps())}});
}

absl::Status LoadRun(const std::string& path, const TrainableWeights& weights, const Ema& ema, Optimizer& optimizer) {
  if (!std::filesystem::exists(path)) return absl::NotFoundError(path);
  EASEL_ASSIGN_OR_RETURN(std::shared_ptr<const SafetensorsFile> file, SafetensorsFile::Open(path));
  EASEL_RETURN_IF_ERROR(CopyFromFile(*file, "parameter.", weights.parameters()));
  EASEL_RETURN_IF_ERROR(CopyFromFile(*file, "ema.", ema.averages()));
  EASEL_RETURN_IF_ERROR(CopyFromFile(*file, "optimizer.", optimizer.State()));
  int64_t steps = 0;
  auto it = file->metadata().find("steps");
  if (it == file->metadata().end() || !absl::SimpleAtoi(it->second, &steps)) {
    return absl::InvalidArgumentError(path + ": its metadata has no number under \"steps\"");
  }
  optimizer.set_steps(steps);
  return absl::OkStatus();
}

double RateAt(int64_t step, int64_t total, int64_t warmup, double decay) {
  const double up = std::min(1.0, static_cast<double>(step + 1) / std::max<int64_t>(1, warmup));
  const double down = std::min(1.0, static_cast<double>(total - step) / std::max(1.0, total * decay));
  return std::max(0.0, std::min(up, down));
}

std::vector<int64_t> BatchIndices(int64_t step, int64_t batch, int64_t count, uint64_t seed) {
  std::vector<int64_t> result;
  std::vector<int64_t> order(count);
  int64_t shuffled = -1;
  for (int64_t i = step * batch; i < (step + 1) * batch; ++i) {
    if (i / count != shuffled) {
      shuffled = i / count;
      std::iota(order.begin(), order.end(), 0);
      std::mt19937_64 random(seed * 1000003 + shuffled);
      std::shuffle(order.begin(), order.end(), random);
    }
    result.push_back(order[i % count]);
  }
  return result;
}

}  // namespace easel

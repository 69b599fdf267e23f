#include "model/sampling/sampler.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/sampling/euler.h"
#include "model/sampling/heun.h"

namespace easel {
namespace {

// A new sampler is a new file and a row here.
struct Entry {
  const char* name;
  std::unique_ptr<Sampler> (*make)(const SamplerOptions& options, at::Tensor noise);
};
constexpr Entry kSamplers[] = {{"euler", MakeEulerSampler}, {"heun", MakeHeunSampler}};

}  // namespace

absl::StatusOr<std::unique_ptr<Sampler>> MakeSampler(std::string_view name, const SamplerOptions& options,
                                                     at::Tensor noise) {
  for (const Entry& entry : kSamplers) {
    if (name == entry.name) return entry.make(options, std::move(noise));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "sampler: \"", std::string(name), "\" is not known; there are: ", absl::StrJoin(SamplerNames(), ", ")));
}

const std::vector<std::string>& SamplerNames() {
  static const auto* names = [] {
    auto* list = new std::vector<std::string>;
    for (const Entry& entry : kSamplers) list->push_back(entry.name);
    return list;
  }();
  return *names;
}

}  // namespace easel

#include "model/sampling/sampler.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/io/status_macros.h"
#include "model/sampling/ddim.h"
#include "model/sampling/dpm_solver.h"
#include "model/sampling/euler.h"
#include "model/sampling/heun.h"

namespace easel {
namespace {

// A new sampler is a new file and a row here, and a grid in noise_schedule.cc for each schedule that has it.
struct Entry {
  const char* name;
  std::unique_ptr<Sampler> (*make)(const SamplerOptions& options, TimeGrid grid, at::Tensor noise);
};
template <int order, bool stochastic>
std::unique_ptr<Sampler> MakeDpmSolver(const SamplerOptions& options, TimeGrid grid, at::Tensor noise) {
  return MakeDpmSolverSampler({order, stochastic}, options, std::move(grid), std::move(noise));
}
constexpr Entry kSamplers[] = {{"euler", MakeEulerSampler},
                               {"heun", MakeHeunSampler},
                               {"ddim", MakeDdimSampler},
                               {"dpmpp_2m", MakeDpmSolver<2, false>},
                               {"dpmpp_1m", MakeDpmSolver<1, false>},
                               {"dpmpp_3m", MakeDpmSolver<3, false>},
                               {"dpmpp_1m_sde", MakeDpmSolver<1, true>},
                               {"dpmpp_2m_sde", MakeDpmSolver<2, true>}};

}  // namespace

absl::StatusOr<std::unique_ptr<Sampler>> MakeSampler(std::string_view name, const SamplerOptions& options,
                                                     at::Tensor noise) {
  const std::vector<std::string>& known = options.schedule.samplers();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sampler: \"", std::string(name), "\" is not known; there are: ", absl::StrJoin(known, ", ")));
  }
  if (!(options.eta >= 0 && options.eta <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("eta: ", options.eta, " is not allowed; it must be in 0 … 1"));
  }
  if (options.eta > 0 && name != "ddim") {
    return absl::InvalidArgumentError(absl::StrCat("eta: has no effect on ", std::string(name)));
  }
  EASEL_ASSIGN_OR_RETURN(TimeGrid grid, options.schedule.Grid(name, options.steps, options.shift,
                                                              noise.size(-2), noise.size(-1)));
  const Entry* entry = std::find_if(std::begin(kSamplers), std::end(kSamplers),
                                    [name](const Entry& candidate) { return name == candidate.name; });
  return entry->make(options, std::move(grid), std::move(noise));
}

int TotalEvaluations(std::string_view name, int steps) {
  return name == "heun" ? HeunEvaluations(steps) : steps;
}

std::vector<std::string> SamplerNames(const NoiseSchedule& schedule) { return schedule.samplers(); }

}  // namespace easel

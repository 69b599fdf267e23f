#include "server/engine/measure_costs.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/io/status_macros.h"
#include "model/nn/spread.h"
#include "model/pipeline.h"
#include "server/engine/forward.h"
#include "server/engine/memory_meter.h"
#include "server/engine/thread_team.h"
#include "server/engine/typical_forward.h"

namespace easel {
namespace {

constexpr absl::Duration kBudget = absl::Milliseconds(300);
constexpr absl::Duration kEnough = absl::Milliseconds(20);  // of one count of rows

absl::StatusOr<ModelCosts> Measure(const std::string& name, const Pipeline& pipeline, const CpuLayout& layout,
                                   int max_rows) {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  const c10::OptionalDeviceGuard guard(pipeline.device());
  const absl::Time began = absl::Now();
  EASEL_ASSIGN_OR_RETURN(const std::unique_ptr<TypicalForward> typical, TypicalForward::Make(pipeline));
  const GenerationSpec& spec = typical->spec();
  ModelCosts costs;
  costs.model = name;
  costs.device = pipeline.device().str();
  costs.width = spec.width;
  costs.height = spec.height;
  costs.encode_seconds = absl::ToDoubleSeconds(typical->encode_time());
  const at::Tensor latent = typical->sampler().Denoised();
  const ForwardShape shape = ShapeOf(/*model=*/0, latent, typical->conditioning());

  StepTimes times;
  // As long as Knee asks for a doubling that is not known.
  for (int rows = 1; rows <= max_rows && times.Knee(shape, max_rows) >= rows; rows *= 2) {
    if (rows > 1 && absl::Now() - began > kBudget) break;
    const int64_t bytes = typical->Bytes(layout, rows);  // before the time is taken: the first of all is slow
    const double seconds = absl::ToDoubleSeconds(typical->Time(layout, rows, kEnough));
    times.Observe(shape, rows, seconds);
    costs.forwards.push_back({shape, rows, seconds, bytes});
  }
  ThreadTeam team(layout.threads);
  costs.decode_seconds = std::numeric_limits<double>::infinity();
  for (int turn = 0; turn < 2; ++turn) {  // the first is slow
    const MemoryMeter meter;
    const MemoryMeter::Watch watch(meter);
    const ForEach on_team = OnTeam(&team, &meter);
    const SpreadOver spread(on_team);
    const absl::Time decoding = absl::Now();
    EASEL_RETURN_IF_ERROR(pipeline.Decode(latent, spec).status());
    costs.decode_bytes = meter.peak_bytes();
    costs.decode_seconds = std::min(costs.decode_seconds, absl::ToDoubleSeconds(absl::Now() - decoding));
  }
  return costs;
}

}  // namespace

absl::StatusOr<ModelCosts> MeasureCosts(const std::string& name, const Pipeline& pipeline,
                                        const CpuLayout& layout, int max_rows) {
  // On a thread of its own, because the count of intra-op threads is a thread's property.
  absl::StatusOr<ModelCosts> costs;
  std::thread([&] {
    try {
      costs = Measure(name, pipeline, layout, max_rows);
    } catch (const std::exception& error) {
      costs = absl::InternalError(absl::StrCat("measuring the network: ", error.what()));
    }
  }).join();
  return costs;
}

}  // namespace easel

// scheduler_config.json of diffusers → NoiseSchedule. Each sampler reads the file as its own class's
// from_config would, with that class's defaults for what the file lacks; foreign keys are ignored.
//
//   class in the file                   default    with it
//   FlowMatchEulerDiscreteScheduler     euler      heun, dpmpp_2m        flow
//   FlowMatchHeunDiscreteScheduler      heun       euler, dpmpp_2m       flow
//   DPMSolverMultistepScheduler         dpmpp_2m*  euler, heun           flow, with use_flow_sigmas
//                                       dpmpp_2m*  euler, heun, ddim     betas
//   DDIMScheduler                       ddim       euler, heun, dpmpp_2m betas
//   EulerDiscreteScheduler              euler      heun, ddim, dpmpp_2m  betas
//   HeunDiscreteScheduler               heun       euler, ddim, dpmpp_2m betas
//
// * Or as its solver_order says dpmpp_1m, dpmpp_3m; with algorithm_type sde-dpmsolver++ dpmpp_1m_sde,
//   dpmpp_2m_sde.
#pragma once

#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/sampling/noise_schedule.h"
#include "model/sampling/prediction.h"

namespace easel {

struct ScheduleConfig {
  NoiseSchedule schedule;  // its path is kFlow or kBetas
  PredictionKind prediction = PredictionKind::kVelocity;
};

// An error names file and key: of another class, or of an option that would change what the file's own class
// computes and is not implemented. Where such an option concerns another sampler alone, that one is left out.
// `convention` counts for flows. (EaselPipeline's times are its own: NoiseSchedule(shift).)
absl::StatusOr<ScheduleConfig> ReadScheduleConfig(JsonObject& config, const FlowConvention& convention);

}  // namespace easel

#include "model/schedule_config.h"

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/generation_spec.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr int64_t kMaxTrainTimesteps = 1000000;

// The classes, each with the sampler that it is; DPM-Solver++ is several.
constexpr struct {
  const char* name;
  const char* sampler;
  bool is_flow;
} kClasses[] = {{"FlowMatchEulerDiscreteScheduler", "euler", true},
                {"FlowMatchHeunDiscreteScheduler", "heun", true},
                {"DDIMScheduler", "ddim", false},
                {"DPMSolverMultistepScheduler", nullptr, false},
                {"EulerDiscreteScheduler", "euler", false},
                {"HeunDiscreteScheduler", "heun", false}};

void RefuseTrue(JsonObject& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (config.Bool(key, false)) config.Fail(key, "true is not served");
  }
}

void RefuseValue(JsonObject& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (config.Has(key)) config.Fail(key, "is not served; it must be null");
  }
}

// The string at `key`, or a fault where it is not one of `known`, whose first is the default.
std::string OneOf(JsonObject& config, const char* key, const std::vector<std::string>& known) {
  std::string value = config.String(key, known.front());
  for (const std::string& name : known) {
    if (value == name) return value;
  }
  config.Fail(key, absl::StrCat("\"", value, "\" is not served; known: ", absl::StrJoin(known, ", ")));
  return known.front();
}

double Positive(JsonObject& config, const char* key, double default_value, double max) {
  const double value = config.Number(key, default_value);
  if (!(value > 0 && value <= max)) config.Fail(key, absl::StrCat("must be above 0 and at most ", max));
  return value;
}

int64_t TrainTimesteps(JsonObject& config) {
  const int64_t count = config.Int("num_train_timesteps", 1000);
  if (count < 2 || count > kMaxTrainTimesteps) {
    config.Fail("num_train_timesteps", absl::StrCat("must be in 2 … ", kMaxTrainTimesteps));
  }
  return count;
}

// The sampler that DPMSolverMultistepScheduler is by such a file.
std::string DpmSolverName(JsonObject& config) {
  const int64_t order = config.Int("solver_order", 2);
  if (order < 1 || order > 3) config.Fail("solver_order", "must be 1, 2 or 3");
  const bool stochastic =
      OneOf(config, "algorithm_type", {"dpmsolver++", "sde-dpmsolver++"}) == "sde-dpmsolver++";
  if (order == 3) {
    if (stochastic) config.Fail("solver_order", "3 is not served with sde-dpmsolver++");
    if (!config.Bool("lower_order_final", true))
      config.Fail("lower_order_final", "false is not served with a solver_order of 3");
  }
  return absl::StrCat("dpmpp_", order, stochastic ? "m_sde" : "m");
}

// What DPMSolverMultistepScheduler reads, betas or flow, to be `sampler`.
void CheckDpmSolver(JsonObject& config, std::string_view sampler) {
  if (DpmSolverName(config) != sampler) config.Fail("solver_order", "and algorithm_type are another sampler's");
  OneOf(config, "solver_type", {"midpoint", "logrho", "bh1", "bh2"});  // the others are midpoint there too
  OneOf(config, "final_sigmas_type", {"zero"});
  RefuseTrue(config, {"thresholding", "use_lu_lambdas", "use_exponential_sigmas", "use_beta_sigmas"});
  const std::string variance = config.String("variance_type", "");
  if (variance == "learned" || variance == "learned_range") {
    config.Fail("variance_type", absl::StrCat("\"", variance, "\" is not served"));
  }
}

DynamicShift ReadDynamicShift(JsonObject& config, bool has_defaults) {
  DynamicShift dynamic;
  dynamic.base_shift = config.Number("base_shift", dynamic.base_shift);
  // DPMSolverMultistepScheduler knows none, and the pipelines then differ.
  dynamic.max_shift =
      has_defaults ? config.Number("max_shift", dynamic.max_shift) : config.Number("max_shift");
  dynamic.base_image_seq_len = config.Int("base_image_seq_len", dynamic.base_image_seq_len);
  dynamic.max_image_seq_len = config.Int("max_image_seq_len", dynamic.max_image_seq_len);
  dynamic.exponential = OneOf(config, "time_shift_type", {"exponential", "linear"}) == "exponential";
  if (dynamic.base_image_seq_len == dynamic.max_image_seq_len) {
    config.Fail("max_image_seq_len", "must differ from base_image_seq_len");
  }
  return dynamic;
}

absl::StatusOr<ScheduleConfig> ReadFlow(JsonObject& config, const std::string& own,
                                        const FlowConvention& convention) {
  FlowSchedule flow;
  flow.convention = convention;
  flow.num_train_timesteps = TrainTimesteps(config);
  const bool dpm_solver = own != "euler" && own != "heun";
  flow.shift = Positive(config, dpm_solver ? "flow_shift" : "shift", 1, kMaxFlowShift);
  if (own == "euler") {
    RefuseTrue(config, {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "invert_sigmas",
                        "stochastic_sampling"});
    if (config.Number("shift_terminal", 0) != 0) config.Fail("shift_terminal", "is not served");
  } else if (dpm_solver) {
    CheckDpmSolver(config, own);
    RefuseTrue(config, {"use_karras_sigmas"});
    const std::string prediction = config.String("prediction_type", "epsilon");
    if (prediction != "flow_prediction") {
      config.Fail("prediction_type",
                  absl::StrCat("is \"", prediction, "\", but use_flow_sigmas goes with flow_prediction"));
    }
  }
  if (own != "heun" && config.Bool("use_dynamic_shifting", false)) {
    flow.dynamic = ReadDynamicShift(config, own == "euler");
    if (dpm_solver && !flow.dynamic->exponential)
      config.Fail("time_shift_type", "must be exponential");
  }
  EASEL_RETURN_IF_ERROR(config.status());

  std::vector<std::string> samplers = {own};
  for (const char* sampler : {"euler", "heun"}) {
    if (sampler != own) samplers.push_back(sampler);
  }
  // DPMSolverMultistepScheduler knows the exponential shift alone.
  if (!dpm_solver && !(flow.dynamic && !flow.dynamic->exponential)) samplers.push_back("dpmpp_2m");
  return ScheduleConfig{NoiseSchedule(flow, std::move(samplers)), PredictionKind::kVelocity};
}

BetaSchedule ReadBetas(JsonObject& config, std::string_view sampler) {
  const bool ddim = sampler == "ddim", heun = sampler == "heun";
  const bool dpm_solver = !ddim && !heun && sampler != "euler";
  RefuseValue(config, {"trained_betas"});
  const int64_t count = TrainTimesteps(config);
  const double start = Positive(config, "beta_start", heun ? 0.00085 : 0.0001, 0.999);
  const double end = Positive(config, "beta_end", heun ? 0.012 : 0.02, 0.999);
  const std::string curve = OneOf(config, "beta_schedule", {"linear", "scaled_linear", "squaredcos_cap_v2"});
  const std::string spacing = OneOf(config, "timestep_spacing",
                                    ddim ? std::vector<std::string>{"leading", "linspace", "trailing"}
                                         : std::vector<std::string>{"linspace", "leading", "trailing"});
  OneOf(config, "prediction_type", {"epsilon", "v_prediction"});
  if (!heun) RefuseTrue(config, {"rescale_betas_zero_snr"});

  BetaSchedule schedule;
  schedule.spacing = spacing == "linspace"  ? TimestepSpacing::kLinspace
                     : spacing == "leading" ? TimestepSpacing::kLeading
                                            : TimestepSpacing::kTrailing;
  schedule.steps_offset = config.Int("steps_offset", 0);
  if (schedule.steps_offset < 0 || schedule.steps_offset >= count) {
    config.Fail("steps_offset", "must be in 0 … num_train_timesteps − 1");
  }
  if (ddim) {
    RefuseTrue(config, {"thresholding"});
    schedule.set_alpha_to_one = config.Bool("set_alpha_to_one", true);
  } else {
    schedule.use_karras_sigmas = config.Bool("use_karras_sigmas", false);
    if (schedule.use_karras_sigmas) RefuseValue(config, {"sigma_min", "sigma_max"});
    RefuseTrue(config, {"use_exponential_sigmas", "use_beta_sigmas"});
  }
  if (sampler == "euler") {
    OneOf(config, "final_sigmas_type", {"zero"});
    OneOf(config, "interpolation_type", {"linear"});
    OneOf(config, "timestep_type", {"discrete"});
  }
  if ((ddim || heun) && config.Bool("clip_sample", ddim)) {
    schedule.clip_sample_range =
        Positive(config, "clip_sample_range", 1, std::numeric_limits<double>::infinity());
  }
  if (dpm_solver) {
    CheckDpmSolver(config, sampler);
    RefuseTrue(config, {"use_flow_sigmas"});
    schedule.lambda_min_clipped = config.Number("lambda_min_clipped", schedule.lambda_min_clipped);
    schedule.round_karras_times = curve != "squaredcos_cap_v2";
  }
  if (!config.status().ok()) return schedule;  // before anything of the file's size is made
  schedule.alphas_cumprod = AlphasCumprod(curve == "linear"          ? BetaCurve::kLinear
                                          : curve == "scaled_linear" ? BetaCurve::kScaledLinear
                                                                     : BetaCurve::kSquaredCosine,
                                          start, end, count);
  if (std::isnan(schedule.lambda_min_clipped) || schedule.LastTimestep() < 2) {
    config.Fail("lambda_min_clipped", "leaves no timesteps");
  }
  return schedule;
}

absl::StatusOr<ScheduleConfig> ReadDdpm(JsonObject& config, const std::string& own) {
  std::vector<std::pair<std::string, BetaSchedule>> readings = {{own, ReadBetas(config, own)}};
  EASEL_RETURN_IF_ERROR(config.status());
  for (const char* sampler : {"euler", "heun", "ddim", "dpmpp_2m"}) {
    if (sampler == own) continue;
    JsonObject foreign = config;  // what only this sampler cannot do is no fault of the file
    BetaSchedule reading = ReadBetas(foreign, sampler);
    if (foreign.status().ok()) readings.emplace_back(sampler, std::move(reading));
  }
  const PredictionKind prediction = config.String("prediction_type", "epsilon") == "epsilon"
                                        ? PredictionKind::kEpsilon
                                        : PredictionKind::kV;
  return ScheduleConfig{NoiseSchedule(std::move(readings)), prediction};
}

}  // namespace

absl::StatusOr<ScheduleConfig> ReadScheduleConfig(JsonObject& config, const FlowConvention& convention) {
  const std::string class_name = config.String("_class_name");
  EASEL_RETURN_IF_ERROR(config.status());
  std::vector<std::string> known;
  for (const auto& row : kClasses) {
    if (class_name == row.name) {
      const bool dpm_solver = row.sampler == nullptr;
      const std::string own = dpm_solver ? DpmSolverName(config) : row.sampler;
      const bool is_flow = row.is_flow || (dpm_solver && config.Bool("use_flow_sigmas", false));
      return is_flow ? ReadFlow(config, own, convention) : ReadDdpm(config, own);
    }
    known.push_back(row.name);
  }
  config.Fail("_class_name",
              absl::StrCat("\"", class_name, "\" is not served; known: ", absl::StrJoin(known, ", ")));
  return config.status();
}

}  // namespace easel

// Which files are read, with which samplers, and the faults that are named. What comes out of them:
// sampling/schedule_golden_test.cc.
#include "model/schedule_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `keys`: what follows the class, for example R"(, "shift": 3)".
absl::StatusOr<ScheduleConfig> Read(const std::string& class_name, const std::string& keys = "") {
  JsonObject config =
      JsonObject::Parse(absl::StrCat(R"({"_class_name": ")", class_name, R"(Scheduler")", keys, "}"),
                        "scheduler_config.json")
          .value();
  return ReadScheduleConfig(config, {});
}

std::vector<std::string> Samplers(const std::string& class_name, const std::string& keys = "") {
  return Read(class_name, keys).value().schedule.samplers();
}

TEST(ScheduleConfig, TheFilesClassIsTheDefaultSampler) {
  EXPECT_THAT(Samplers("FlowMatchEulerDiscrete"), ElementsAre("euler", "heun", "dpmpp_2m"));
  EXPECT_THAT(Samplers("FlowMatchHeunDiscrete"), ElementsAre("heun", "euler", "dpmpp_2m"));
  EXPECT_THAT(
      Samplers("DPMSolverMultistep", R"(, "use_flow_sigmas": true, "prediction_type": "flow_prediction")"),
      ElementsAre("dpmpp_2m", "euler", "heun"));
  EXPECT_THAT(Samplers("DPMSolverMultistep"), ElementsAre("dpmpp_2m", "euler", "heun", "ddim"));
  EXPECT_THAT(Samplers("DDIM"), ElementsAre("ddim", "euler", "heun", "dpmpp_2m"));
  EXPECT_THAT(Samplers("EulerDiscrete"), ElementsAre("euler", "heun", "ddim", "dpmpp_2m"));
  EXPECT_THAT(Samplers("HeunDiscrete"), ElementsAre("heun", "euler", "ddim", "dpmpp_2m"));
}

TEST(ScheduleConfig, DpmSolverIsTheSamplerOfItsOrderAndAlgorithm) {
  const std::string sde = R"(, "algorithm_type": "sde-dpmsolver++")";
  const std::string flow = R"(, "use_flow_sigmas": true, "prediction_type": "flow_prediction")";
  EXPECT_THAT(Samplers("DPMSolverMultistep", R"(, "solver_order": 1)"),
              ElementsAre("dpmpp_1m", "euler", "heun", "ddim"));
  EXPECT_THAT(Samplers("DPMSolverMultistep", R"(, "solver_order": 3)"),
              ElementsAre("dpmpp_3m", "euler", "heun", "ddim"));
  EXPECT_THAT(Samplers("DPMSolverMultistep", sde), ElementsAre("dpmpp_2m_sde", "euler", "heun", "ddim"));
  EXPECT_THAT(Samplers("DPMSolverMultistep", sde + R"(, "solver_order": 1)"),
              ElementsAre("dpmpp_1m_sde", "euler", "heun", "ddim"));
  EXPECT_THAT(Samplers("DPMSolverMultistep", flow + R"(, "solver_order": 3)"),
              ElementsAre("dpmpp_3m", "euler", "heun"));
}

TEST(ScheduleConfig, PathPredictionAndShift) {
  ScheduleConfig flow = Read("FlowMatchEulerDiscrete", R"(, "shift": 3)").value();
  EXPECT_EQ(flow.schedule.path(), NoisePath::kFlow);
  EXPECT_EQ(flow.prediction, PredictionKind::kVelocity);
  EXPECT_TRUE(flow.schedule.takes_shift());
  EXPECT_EQ(flow.schedule.shift(), 3);
  EXPECT_FALSE(Read("FlowMatchEulerDiscrete", R"(, "use_dynamic_shifting": true)")->schedule.takes_shift());
  ScheduleConfig ddpm = Read("DDIM").value();
  EXPECT_EQ(ddpm.schedule.path(), NoisePath::kBetas);
  EXPECT_EQ(ddpm.prediction, PredictionKind::kEpsilon);
  EXPECT_FALSE(ddpm.schedule.takes_shift());
  EXPECT_EQ(Read("DDIM", R"(, "prediction_type": "v_prediction")")->prediction, PredictionKind::kV);
}

TEST(ScheduleConfig, AnOptionOfAnotherSamplerLeavesThatSamplerOut) {
  EXPECT_THAT(Samplers("DDIM", R"(, "solver_order": 3)"), ElementsAre("ddim", "euler", "heun"));
  EXPECT_THAT(Samplers("DPMSolverMultistep", R"(, "interpolation_type": "log_linear")"),
              ElementsAre("dpmpp_2m", "heun", "ddim"));
  EXPECT_THAT(Samplers("HeunDiscrete", R"(, "rescale_betas_zero_snr": true)"), ElementsAre("heun"));
  EXPECT_THAT(
      Samplers("FlowMatchEulerDiscrete", R"(, "use_dynamic_shifting": true, "time_shift_type": "linear")"),
      ElementsAre("euler", "heun"));
}

TEST(ScheduleConfig, ForeignKeysAreIgnored) {
  EXPECT_TRUE(
      Read("DDIM", R"(, "skip_prk_steps": true, "lambda_min_clipped": -Infinity, "whatever": [])").ok());
  EXPECT_TRUE(Read("FlowMatchEulerDiscrete", R"(, "beta_schedule": "sigmoid", "solver_order": 3)").ok());
  EXPECT_TRUE(Read("FlowMatchHeunDiscrete", R"(, "use_dynamic_shifting": true)")->schedule.takes_shift());
}

TEST(ScheduleConfig, WhatIsNotServedIsNamed) {
  struct {
    const char *class_name, *keys, *key;
  } cases[] = {
      {"PNDM", "", "_class_name"},
      {"DDPM", "", "_class_name"},
      {"LCM", "", "_class_name"},
      {"DDIM", R"(, "trained_betas": [0.1, 0.2])", "trained_betas"},
      {"DDIM", R"(, "beta_schedule": "sigmoid")", "beta_schedule"},
      {"DDIM", R"(, "beta_start": 0)", "beta_start"},
      {"DDIM", R"(, "beta_end": 1.5)", "beta_end"},
      {"DDIM", R"(, "beta_end": NaN)", "beta_end"},
      {"DDIM", R"(, "beta_end": "high")", "beta_end"},
      {"DDIM", R"(, "num_train_timesteps": 1)", "num_train_timesteps"},
      {"DDIM", R"(, "num_train_timesteps": 1000000000000)", "num_train_timesteps"},
      {"DDIM", R"(, "steps_offset": -1)", "steps_offset"},
      {"DDIM", R"(, "steps_offset": 1000)", "steps_offset"},
      {"DDIM", R"(, "prediction_type": "sample")", "prediction_type"},
      {"DDIM", R"(, "prediction_type": "flow_prediction")", "prediction_type"},
      {"DDIM", R"(, "timestep_spacing": "even")", "timestep_spacing"},
      {"DDIM", R"(, "thresholding": true)", "thresholding"},
      {"DDIM", R"(, "rescale_betas_zero_snr": true)", "rescale_betas_zero_snr"},
      {"DDIM", R"(, "clip_sample_range": 0)", "clip_sample_range"},
      {"HeunDiscrete", R"(, "beta_schedule": "exp")", "beta_schedule"},
      {"EulerDiscrete", R"(, "final_sigmas_type": "sigma_min")", "final_sigmas_type"},
      {"EulerDiscrete", R"(, "interpolation_type": "log_linear")", "interpolation_type"},
      {"EulerDiscrete", R"(, "timestep_type": "continuous")", "timestep_type"},
      {"EulerDiscrete", R"(, "use_exponential_sigmas": true)", "use_exponential_sigmas"},
      {"EulerDiscrete", R"(, "use_karras_sigmas": true, "sigma_max": 80)", "sigma_max"},
      {"DPMSolverMultistep", R"(, "solver_order": 0)", "solver_order"},
      {"DPMSolverMultistep", R"(, "solver_order": 4)", "solver_order"},
      {"DPMSolverMultistep", R"(, "solver_order": 3, "algorithm_type": "sde-dpmsolver++")", "solver_order"},
      {"DPMSolverMultistep", R"(, "solver_order": 3, "lower_order_final": false)", "lower_order_final"},
      {"DPMSolverMultistep", R"(, "solver_type": "heun")", "solver_type"},
      {"DPMSolverMultistep", R"(, "algorithm_type": "dpmsolver")", "algorithm_type"},
      {"DPMSolverMultistep", R"(, "algorithm_type": "sde-dpmsolver")", "algorithm_type"},
      {"DPMSolverMultistep", R"(, "final_sigmas_type": "sigma_min")", "final_sigmas_type"},
      {"DPMSolverMultistep", R"(, "thresholding": true)", "thresholding"},
      {"DPMSolverMultistep", R"(, "use_lu_lambdas": true)", "use_lu_lambdas"},
      {"DPMSolverMultistep", R"(, "use_beta_sigmas": true)", "use_beta_sigmas"},
      {"DPMSolverMultistep", R"(, "variance_type": "learned_range")", "variance_type"},
      {"DPMSolverMultistep", R"(, "lambda_min_clipped": Infinity)", "lambda_min_clipped"},
      {"DPMSolverMultistep", R"(, "lambda_min_clipped": NaN)", "lambda_min_clipped"},
      {"DPMSolverMultistep", R"(, "use_flow_sigmas": true)", "prediction_type"},
      {"DPMSolverMultistep",
       R"(, "use_flow_sigmas": true, "prediction_type": "flow_prediction", "use_dynamic_shifting": true)",
       "max_shift"},
      {"DPMSolverMultistep",
       R"(, "use_flow_sigmas": true, "prediction_type": "flow_prediction", "flow_shift": -1)", "flow_shift"},
      {"FlowMatchEulerDiscrete", R"(, "shift": 0)", "shift"},
      {"FlowMatchEulerDiscrete", R"(, "shift": 1000)", "shift"},
      {"FlowMatchEulerDiscrete", R"(, "shift_terminal": 0.02)", "shift_terminal"},
      {"FlowMatchEulerDiscrete", R"(, "use_karras_sigmas": true)", "use_karras_sigmas"},
      {"FlowMatchEulerDiscrete", R"(, "use_beta_sigmas": true)", "use_beta_sigmas"},
      {"FlowMatchEulerDiscrete", R"(, "use_exponential_sigmas": true)", "use_exponential_sigmas"},
      {"FlowMatchEulerDiscrete", R"(, "invert_sigmas": true)", "invert_sigmas"},
      {"FlowMatchEulerDiscrete", R"(, "stochastic_sampling": true)", "stochastic_sampling"},
      {"FlowMatchEulerDiscrete", R"(, "use_dynamic_shifting": true, "time_shift_type": "cubic")",
       "time_shift_type"},
      {"FlowMatchEulerDiscrete", R"(, "use_dynamic_shifting": true, "max_image_seq_len": 256)",
       "max_image_seq_len"},
  };
  for (const auto& c : cases) {
    const absl::Status status = Read(c.class_name, c.keys).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.class_name << c.keys;
    EXPECT_THAT(std::string(status.message()), HasSubstr("scheduler_config.json")) << c.class_name << c.keys;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("\"", c.key, "\"")))
        << c.class_name << c.keys;
  }
}

TEST(ScheduleConfig, AClassIsNeeded) {
  JsonObject config = JsonObject::Parse("{}", "scheduler_config.json").value();
  EXPECT_THAT(std::string(ReadScheduleConfig(config, {}).status().message()), HasSubstr("_class_name"));
}

}  // namespace
}  // namespace easel

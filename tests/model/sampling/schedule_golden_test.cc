// Times, noise levels and trajectories of diffusers' schedulers, from their files:
// tests/golden/parts/schedules.py.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "model/sampling/sampler.h"
#include "model/schedule_config.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

constexpr char kDirectory[] = EASEL_SOURCE_DIR "/tests/golden/data/schedules";
const std::vector<int64_t> kShape = {3, 2, 4};

// Where LibTorch's square root has the last digit that it had for the golden data, every trajectory is
// diffusers' to the bit. Where it has another, DDIM, which divides by 0.006 in its first step, shows it.
double Tolerance(const std::string& sampler) { return sampler == "ddim" ? 1e-5 : 1e-6; }

bool IsFlux(const std::string& name) { return absl::StartsWith(name, "flux"); }

ScheduleConfig Read(const std::string& name) {
  JsonObject config = JsonObject::Open(std::string(kDirectory) + "/" + name + ".json").value();
  FlowConvention convention;
  if (IsFlux(name)) convention = {.levels_end_at_one_nth = true, .time_divisor = 1000};
  return ReadScheduleConfig(config, convention).value();
}

// numpy's logarithm of float32, from which Karras' times follow, has another last digit on another machine.
// Rounded to integers (dpmpp_2m) that does not show.
double TimeTolerance(const std::string& name, const std::string& sampler) {
  return absl::StartsWith(name, "dpm_karras") && sampler != "dpmpp_2m" ? 2e-4 : 0;
}

void ExpectTrajectory(const std::string& name, const ScheduleConfig& read, const std::string& sampler,
                      double eta, int steps, const at::Tensor& states) {
  SamplerOptions options;
  options.prediction = read.prediction;
  options.schedule = read.schedule;
  options.steps = steps;
  options.shift = read.schedule.shift();
  options.eta = eta;
  options.generator = at::detail::createCPUGenerator(7);
  const at::Tensor noise = at::randn(kShape, options.generator, at::kFloat);
  auto made = MakeSampler(sampler, options, noise);
  ASSERT_TRUE(made.ok()) << made.status();
  const double train = read.schedule.path() == NoisePath::kBetas
                           ? read.schedule.betas(sampler).num_train_timesteps()
                           : (name == "flow_heun" ? 500 : 1000);
  const float scale = static_cast<float>(IsFlux(name) ? 3 : 3 / train);
  ASSERT_EQ((*made)->total_steps(), states.size(0));
  // Euler and Heun carry a DDPM's latent as data + σ·noise, of which the network sees the scaled one.
  const bool scaled = read.schedule.path() == NoisePath::kBetas && (sampler == "euler" || sampler == "heun");
  const TimeGrid grid = read.schedule.Grid(sampler, steps, options.shift, kShape[1], kShape[2]).value();
  while (!(*made)->done()) {
    const ModelInput input = (*made)->Next();
    const int step = (*made)->step();
    (*made)->Advance(at::tanh(0.8 * input.latent + input.time * scale));
    if ((*made)->step() == step) continue;  // Heun's first half
    const at::Tensor state = (*made)->done() ? (*made)->Denoised() : (*made)->Next().latent;
    at::Tensor expected = states[step];
    if (scaled && !(*made)->done()) expected = expected / std::hypot(grid.sigmas[step + 1], 1.0f);
    EXPECT_TRUE(RelativelyClose(state, expected, Tolerance(sampler))) << "step " << step;
  }
}

class ScheduleGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(ScheduleGolden, IsWhatDiffusersComputes) {
  const ScheduleConfig read = Read(GetParam());
  const GoldenTensors golden = LoadGolden("schedules/" + GetParam() + ".safetensors");
  int trajectories = 0;
  for (const std::string& key : golden->names()) {
    SCOPED_TRACE(key);
    const std::vector<std::string> part = absl::StrSplit(key, '/');  // sampler[@eta], steps, what
    const std::vector<std::string> of_sampler = absl::StrSplit(part[0], '@');
    const std::string& sampler = of_sampler[0];
    const int steps = std::stoi(part[1]);
    if (part[2] == "states") {
      double eta = 0;
      ASSERT_TRUE(of_sampler.size() == 1 || absl::SimpleAtod(of_sampler[1], &eta));
      ExpectTrajectory(GetParam(), read, sampler, eta, steps, golden->Get(key));
      ++trajectories;
      continue;
    }
    auto grid = read.schedule.Grid(sampler, steps, read.schedule.shift(), kShape[1], kShape[2]);
    ASSERT_TRUE(grid.ok()) << grid.status();
    if (part[2] == "sigmas") {
      EXPECT_TRUE(SameBytes(at::tensor(grid->sigmas), golden->Get(key)));
    } else {
      const at::Tensor times = at::tensor(grid->times), expected = golden->Get(key);
      ASSERT_EQ(times.sizes(), expected.sizes());
      EXPECT_LE((times - expected).abs().max().item<double>(), TimeTolerance(GetParam(), sampler))
          << LargestDifference(times, expected);
    }
  }
  // Of DPM-Solver++'s other orders and its stochastic form, that sampler alone.
  const bool alone = absl::StartsWith(GetParam(), "dpm_order") || absl::StartsWith(GetParam(), "dpm_sde");
  EXPECT_GE(trajectories, alone ? 4 : 8);
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(kDirectory)) {
    if (file.path().extension() == ".json") names.push_back(file.path().stem().string());
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Files, ScheduleGolden, ::testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

TEST(ScheduleGoldens, DynamicShiftFollowsTheLatentsSize) {
  const NoiseSchedule schedule = Read("flux_dev").schedule;
  const GoldenTensors golden = LoadGolden("schedules/flux_sizes.safetensors");
  ASSERT_GE(golden->names().size(), 40u);
  for (const std::string& key : golden->names()) {
    const std::vector<std::string> part = absl::StrSplit(key, '/');      // size, steps, what
    const std::vector<std::string> size = absl::StrSplit(part[0], 'x');  // of the latent
    const TimeGrid grid =
        schedule.Grid("euler", std::stoi(part[1]), 1, std::stoi(size[0]), std::stoi(size[1])).value();
    EXPECT_TRUE(SameBytes(at::tensor(part[2] == "times" ? grid.times : grid.sigmas), golden->Get(key)))
        << key;
  }
}

}  // namespace
}  // namespace easel

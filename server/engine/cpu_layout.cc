#include "server/engine/cpu_layout.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/denoise.h"
#include "model/io/status_macros.h"
#include "model/pipeline.h"
#include "server/engine/thread_team.h"

namespace easel {
namespace {

constexpr absl::Duration kSlowForward = absl::Milliseconds(200);
constexpr double kClearlyFaster = 0.75;
constexpr int kRepeats = 3;                                 // of which the best counts
constexpr absl::Duration kEnough = absl::Milliseconds(30);  // no more repeats after that

// The picture the model makes when asked for nothing in particular, guided where it can be.
GenerationSpec TypicalSpec(const ModelInfo& info) {
  GenerationSpec spec;
  if (info.takes_prompt) {
    spec.prompt = "a";
  } else if (info.takes_class) {
    spec.class_label = 0;
  }
  spec.width = info.default_width;
  spec.height = info.default_height;
  spec.num_inference_steps = 1;
  if (info.takes_guidance)
    spec.guidance_scale = info.default_guidance_scale == 1 ? 2 : info.default_guidance_scale;
  spec.sampler = info.samplers.front();
  spec.flow_shift = info.default_flow_shift;
  return spec;
}

// Seconds a row when `layout.workers` at once each run forwards of `pictures` pictures on their threads.
double SecondsPerRow(const Pipeline& pipeline, const CpuLayout& layout,
                     const std::vector<DenoiseInput>& pictures) {
  std::vector<std::unique_ptr<ThreadTeam>> teams;
  for (int i = 0; i < layout.workers; ++i) teams.push_back(std::make_unique<ThreadTeam>(layout.threads));
  ThreadTeam workers(layout.workers);
  absl::Duration best = absl::InfiniteDuration(), spent;
  for (int i = 0; i < kRepeats && spent < kEnough; ++i) {
    const absl::Time began = absl::Now();
    workers.Run(layout.workers, [&](int worker) {
      Denoise(pipeline.transformer(), pictures, layout.threads,
              [&](int n, const std::function<void(int)>& task) { teams[worker]->Run(n, task); });
    });
    const absl::Duration took = absl::Now() - began;
    best = std::min(best, took);
    spent += took;
  }
  return absl::ToDoubleSeconds(best) / (layout.workers * RowCount(pictures));
}

absl::StatusOr<CpuLayout> Measure(const Pipeline& pipeline, int cores) {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  const GenerationSpec spec = TypicalSpec(pipeline.info());
  EASEL_ASSIGN_OR_RETURN(const TokenizedPrompts prompts, pipeline.Tokenize(spec));
  EASEL_ASSIGN_OR_RETURN(const GuidedConditioning conditioning, pipeline.Encode(prompts));
  EASEL_ASSIGN_OR_RETURN(const std::unique_ptr<Sampler> sampler, pipeline.MakeSampler(spec));
  const std::vector<DenoiseInput> one(1, NextInput(*sampler, conditioning)), two(2, one[0]);

  CpuLayout best{.workers = 1, .threads = cores};
  const absl::Time began = absl::Now();
  Denoise(pipeline.transformer(), one);
  if (absl::Now() - began > kSlowForward) return best;

  const auto cost = [&](const CpuLayout& layout) {
    return SecondsPerRow(pipeline, layout, one) + SecondsPerRow(pipeline, layout, two);
  };
  double least = kClearlyFaster * cost(best);
  for (int threads = cores / 2; threads >= 1; threads /= 2) {
    const CpuLayout layout{.workers = cores / threads, .threads = threads};
    if (const double seconds = cost(layout); seconds < least) {
      least = seconds;
      best = layout;
    }
  }
  return best;
}

}  // namespace

absl::StatusOr<CpuLayout> ChooseCpuLayout(const Pipeline& pipeline, int cores) {
  if (cores <= 1) return CpuLayout{};
  // On a thread of its own, because the count of intra-op threads is a thread's property.
  absl::StatusOr<CpuLayout> layout;
  std::thread([&] {
    try {
      layout = Measure(pipeline, cores);
    } catch (const std::exception& error) {
      layout = absl::InternalError(absl::StrCat("measuring the network: ", error.what()));
    }
  }).join();
  return layout;
}

}  // namespace easel

#include "server/engine/typical_forward.h"

#include <algorithm>
#include <vector>

#include "absl/time/clock.h"
#include "model/denoise.h"
#include "model/io/status_macros.h"
#include "server/engine/forward.h"
#include "server/engine/thread_team.h"

namespace easel {
namespace {

constexpr int kTurns = 3;  // of which the best counts

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

}  // namespace

absl::StatusOr<std::unique_ptr<TypicalForward>> TypicalForward::Make(const Pipeline& pipeline) {
  std::unique_ptr<TypicalForward> typical(new TypicalForward(pipeline));
  typical->spec_ = TypicalSpec(pipeline.info());
  EASEL_ASSIGN_OR_RETURN(const TokenizedPrompts prompts, pipeline.Tokenize(typical->spec_));
  const absl::Time began = absl::Now();
  EASEL_ASSIGN_OR_RETURN(typical->conditioning_, pipeline.Encode(prompts));
  typical->encode_time_ = absl::Now() - began;
  EASEL_ASSIGN_OR_RETURN(typical->sampler_, pipeline.MakeSampler(typical->spec_));
  return typical;
}

int TypicalForward::rows_of_a_picture() const {
  return conditioning_.conditional.has_value() + conditioning_.unconditional.has_value();
}

std::vector<DenoiseInput> TypicalForward::Pictures(int rows) const {
  std::vector<DenoiseInput> pictures(rows / rows_of_a_picture(), NextInput(*sampler_, conditioning_));
  if (rows % rows_of_a_picture() != 0) {  // half a guided one
    pictures.push_back(NextInput(*sampler_, conditioning_));
    pictures.back().unconditional = nullptr;
  }
  return pictures;
}

int64_t TypicalForward::Bytes(const CpuLayout& layout, int rows) const {
  ThreadTeam team(layout.threads);
  const MemoryMeter meter;
  Denoise(pipeline_.transformer(), Pictures(rows), layout.threads, OnTeam(&team, &meter));
  AwaitDevice(pipeline_.device());
  return meter.peak_bytes();
}

absl::Duration TypicalForward::Time(const CpuLayout& layout, int rows, absl::Duration enough) const {
  const std::vector<DenoiseInput> pictures = Pictures(rows);
  std::vector<std::unique_ptr<ThreadTeam>> teams;
  for (int i = 0; i < layout.workers; ++i) teams.push_back(std::make_unique<ThreadTeam>(layout.threads));
  ThreadTeam workers(layout.workers);
  absl::Duration best = absl::InfiniteDuration(), spent;
  for (int i = 0; i < kTurns && (i == 0 || spent < enough); ++i) {
    const absl::Time began = absl::Now();
    workers.Run(layout.workers, [&](int worker) {
      Denoise(pipeline_.transformer(), pictures, layout.threads, OnTeam(teams[worker].get()));
    });
    AwaitDevice(pipeline_.device());
    const absl::Duration took = absl::Now() - began;
    best = std::min(best, took);
    spent += took;
  }
  return best;
}

}  // namespace easel

// The forward that a model is measured by: that of the picture it makes when asked for nothing in particular.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/denoise.h"
#include "model/pipeline.h"
#include "server/engine/cpu_layout.h"

namespace easel {

// Used by the thread that made it, under InferenceMode.
class TypicalForward {
 public:
  // `pipeline` must outlive it. Errors: those of Encode.
  static absl::StatusOr<std::unique_ptr<TypicalForward>> Make(const Pipeline& pipeline);

  // The best time of a few turns, in which layout.workers at once run a forward of `rows` ≥ 1 on their
  // threads. No new turn begins after `enough`.
  absl::Duration Time(const CpuLayout& layout, int rows, absl::Duration enough) const;
  // What one of these workers takes of memory for such a forward: MemoryMeter's peak.
  int64_t Bytes(const CpuLayout& layout, int rows) const;
  int rows_of_a_picture() const;

  const GenerationSpec& spec() const { return spec_; }
  const Sampler& sampler() const { return *sampler_; }
  const GuidedConditioning& conditioning() const { return conditioning_; }
  absl::Duration encode_time() const { return encode_time_; }

 private:
  std::vector<DenoiseInput> Pictures(int rows) const;
  explicit TypicalForward(const Pipeline& pipeline) : pipeline_(pipeline) {}

  const Pipeline& pipeline_;
  GenerationSpec spec_;
  GuidedConditioning conditioning_;
  std::unique_ptr<Sampler> sampler_;
  absl::Duration encode_time_;
};

}  // namespace easel

// What was asked for, validated and complete: one picture. Every default has been filled in from the model's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace easel {

// In either direction, of each kind of guidance; far beyond, predictions overflow.
inline constexpr double kMaxGuidanceScale = 100;
inline constexpr double kMinFlowShift = 0.01, kMaxFlowShift = 100;  // beyond, times of float32 fall together

struct GenerationSpec {
  std::optional<std::string> prompt;   // at most one of prompt and class_label; neither: unconditional
  std::optional<int64_t> class_label;  // in [0, class count)
  std::string negative_prompt;         // empty: the family's own unconditional row
  int width = 0;                       // pixels
  int height = 0;
  int num_inference_steps = 0;  // ≥ 1
  double guidance_scale = 1;  // within ±kMaxGuidanceScale; sampling/guidance.h: when a second row is needed
  double true_cfg_scale = 1;  // in [1, kMaxGuidanceScale]; 1: off
  double guidance_rescale = 0;  // in [0, 1]; 0: off
  uint64_t seed = 0;            // of this very picture
  std::string sampler;          // one of the model's samplers
  double flow_shift = 1;        // in [kMinFlowShift, kMaxFlowShift]; 1: linear times
};

// Tokens at the end of a spec's texts that the text encoder could not take.
struct TokensCut {
  int prompt = 0;
  int negative_prompt = 0;
  bool operator==(const TokensCut&) const = default;
};

}  // namespace easel

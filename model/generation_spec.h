// What was asked for, validated and complete: one picture. Every default has been filled in from the model's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace easel {

struct GenerationSpec {
  std::optional<std::string> prompt;    // at most one of prompt and class_label; neither: unconditional
  std::optional<int64_t> class_label;   // in [0, class count)
  std::string negative_prompt;          // empty: the family's own unconditional row
  int width = 0;                        // pixels
  int height = 0;
  int num_inference_steps = 0;          // ≥ 1
  double guidance_scale = 1;            // see sampling/guidance.h for when a second row is needed
  double guidance_rescale = 0;          // in [0, 1]; 0: off
  uint64_t seed = 0;                    // of this very picture
  std::string sampler;                  // a name of Samplers()
  double flow_shift = 1;                // > 0; 1: linear times
};

}  // namespace easel

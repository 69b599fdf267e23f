// How a picture was made, as the text that image tools keep in a PNG's chunk `parameters`:
//
//   a red apple
//   on two lines
//   Negative prompt: blurry
//   Steps: 30, Sampler: euler, CFG scale: 4, Seed: 1, Size: 64x64, Model: emoji
//
// The last line holds the settings; before it comes the prompt, then the negative prompt, each over as many
// lines as it has. A setting with a comma, colon, quote or line break in it, or blanks around it, is written
// as a JSON string. A line of the prompt that looks like the negative prompt's gets a backslash in front.
// Class-conditional pictures have `Class: name` and `Class label: 3`; without a prompt its line is missing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace easel {

struct ImageParameters {
  std::optional<std::string> prompt;
  std::string negative_prompt;
  std::optional<uint32_t> num_inference_steps;  // Steps
  std::string sampler;                          // Sampler
  std::optional<double> guidance_scale;         // CFG scale
  std::optional<double> guidance_rescale;       // CFG rescale
  std::optional<double> true_cfg_scale;         // True CFG scale
  std::optional<double> flow_shift;             // Shift
  std::optional<uint64_t> seed;                 // Seed
  std::optional<uint32_t> width, height;        // Size; both or none
  std::string model;                            // Model
  std::optional<uint32_t> class_label;          // Class label
  std::string class_name;                       // Class

  bool operator==(const ImageParameters&) const = default;
};

// Empty and unset settings are left out. NUL, which the chunk cannot hold, becomes U+FFFD.
// REQUIRES: num_inference_steps is set, for it is what tells the line of settings from a prompt's.
std::string FormatParameters(const ImageParameters& parameters);

// What Format writes comes back the same (but for NUL); so does what other tools write, whose further
// settings are skipped. A text without a line of settings is all prompt. InvalidArgument naming the setting
// for a value that is not of its kind.
absl::StatusOr<ImageParameters> ParseParameters(std::string_view text);

}  // namespace easel

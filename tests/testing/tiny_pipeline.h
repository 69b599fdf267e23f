// Models for tests that need one: without weights and predictable, or a real directory of small random
// weights.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "model/pipeline.h"

namespace easel {

// Draws 16×16 pictures of one colour, without weights, by any sampler in any number of steps. A prompt's
// first word among red, green, blue, yellow, white and black is its colour; classes 0, 1, 2 are red, green,
// blue, by those names; all else, and the unconditional row, is grey (RGB 128 or 127). Prompts of more than
// 16 words are cut. With guidance the picture is grey + scale · (colour − grey), cut off at black and white:
// above 1 the pure colour, at 0 grey.
std::unique_ptr<Pipeline> MakeAnalyticPipeline();

enum class TinyModel {
  kClasses,  // ConditionalDiT on the latents of an AutoencoderKL with a latent preview; 16×16
  kText,     // TextConditionalDiT with CLIP on the same
  kEasel,    // EaselDiT with CLIP on the same, and 5 classes of two names each
  kPixels,   // DiT on 12×12 grey pixels
};
// Writes a model directory (weights at random, of a fixed seed) that Pipeline::Load accepts. About 1 MB at
// most.
absl::Status WriteTinyModel(const std::string& directory, TinyModel model);

}  // namespace easel

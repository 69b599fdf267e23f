// How Stable Diffusion 3 and 3.5 join their text encoders (diffusers'
// StableDiffusion3Pipeline.encode_prompt):
//
//   CLIP-L  penultimate ─┐ by width   ┌─► zeros up to the width of T5 ─┐ by tokens
//   CLIP-G  penultimate ─┴────────────┘                                ├──────────► text (1, 77 + 256, C)
//   T5      hidden ────────────────────────────────────────────────────┘
//   CLIP-L  pooled, CLIP-G  pooled ─► pooled
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "model/conditioning/conditioner.h"
#include "model/conditioning/prompt_encoder.h"

namespace easel {

// How many tokens T5 reads (the pipeline's max_sequence_length), and how many zeros stand for them without
// it.
inline constexpr int64_t kSd3T5Tokens = 256;

// No encoder is given a mask and `text_mask` is undefined: padding is attended to. `text` and `pooled` have
// the dtype and device of CLIP-L. `joint_attention_dim` is the transformer's: the width of the text. Without
// T5 its rows are zeros; the two CLIPs are not optional, for the pipeline cannot encode a prompt without
// them. InvalidArgument where the CLIPs' prompts differ in length (diffusers pads both to the first's) or
// together are wider than the text, where T5's width is not the text's, or where its prompts are not
// kSd3T5Tokens long.
absl::StatusOr<std::unique_ptr<Conditioner>> MakeSd3Conditioner(PromptEncoder clip_l, PromptEncoder clip_g,
                                                                std::optional<PromptEncoder> t5,
                                                                int64_t joint_attention_dim);

}  // namespace easel

// How FLUX.1 joins its text encoders (diffusers' FluxPipeline.encode_prompt): T5's hidden states are `text`,
// CLIP-L's pooled vector is `pooled`.
#pragma once

#include <cstdint>
#include <memory>

#include "model/conditioning/conditioner.h"
#include "model/conditioning/prompt_encoder.h"

namespace easel {

// How many tokens T5 reads: the pipeline's max_sequence_length.
inline constexpr int64_t kFluxT5Tokens = 512;

// No encoder is given a mask and `text_mask` is undefined: padding is attended to. Both tensors have the
// dtype and device of T5. `guidance` stays undefined: it is the request's.
std::unique_ptr<Conditioner> MakeFluxConditioner(PromptEncoder clip, PromptEncoder t5);

}  // namespace easel

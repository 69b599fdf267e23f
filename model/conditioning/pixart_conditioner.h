// PixArt-alpha's and -Sigma's (diffusers' PixArtAlphaPipeline.encode_prompt): T5, its mask given to the
// encoder and to the transformer, of a prompt in lower case.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/conditioning/conditioner.h"
#include "model/conditioning/text_encoder.h"
#include "model/conditioning/tokenizer.h"

namespace easel {

// How many tokens T5 reads: the pipelines' max_sequence_length.
inline constexpr int64_t kPixArtAlphaTokens = 120, kPixArtSigmaTokens = 300;

// `prompt` as the pipelines read it without clean_caption: Python's prompt.lower().strip(), which knows a
// sigma at a word's end. Any bytes; what is not UTF-8 is read as U+FFFD.
std::string PixArtCaption(std::string_view prompt);

// As MakeTextConditioner, of the prompt's caption; without a prompt, of "".
absl::StatusOr<std::unique_ptr<Conditioner>> MakePixArtConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                   std::unique_ptr<TextEncoder> encoder);

}  // namespace easel

// Any bytes as a prompt for T5's tokenizer.
#include "model/conditioning/t5_tokenizer.h"
#include "tests/fuzz/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizer =
      easel::T5Tokenizer::Load(EASEL_SOURCE_DIR "/tests/golden/data/token_ids/t5_spiece", /*max_length=*/32);
  easel::Require(tokenizer.ok(), tokenizer.status().ToString());
  easel::TokenizeAndRequire(**tokenizer, easel::AsText(data, size));
  return 0;
}

// Any bytes as a prompt for CLIP's tokenizer, in both forms of its files.
#include "model/conditioning/clip_tokenizer.h"
#include "tests/fuzz/tokens.h"

namespace easel {
namespace {

std::unique_ptr<ClipTokenizer> Load(const std::string& name) {
  auto tokenizer = ClipTokenizer::Load(EASEL_SOURCE_DIR "/tests/golden/data/text/" + name);
  Require(tokenizer.ok(), tokenizer.status().ToString());
  return *std::move(tokenizer);
}

}  // namespace
}  // namespace easel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto from_json = easel::Load("tokenizer_json"), from_merges = easel::Load("vocab_and_merges");
  easel::TokenizeAndRequire(*from_json, easel::AsText(data, size));
  easel::TokenizeAndRequire(*from_merges, easel::AsText(data, size));
  return 0;
}

// Any bytes as a spiece.model: an error that names the file, or a tokenizer that works, whatever its
// charsmap.
#include "model/conditioning/t5_tokenizer.h"
#include "tests/fuzz/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const easel::TemporaryDirectory directory;
  const std::string path = easel::WriteInput(directory, "spiece.model", easel::AsText(data, size));
  const auto tokenizer = easel::T5Tokenizer::Load(directory.path(), /*max_length=*/32);
  easel::RequireNames(tokenizer.status(), path);
  if (tokenizer.ok()) easel::TokenizeAndRequire(**tokenizer, "ab ▁ab </s>ﬁ ① e\xCC\x81 <extra_id_5> \xFF b");
  return 0;
}

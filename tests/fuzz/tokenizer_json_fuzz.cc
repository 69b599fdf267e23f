// Any bytes as a tokenizer.json and as the tokenizer_config.json beside it, of CLIP and of T5: an error that
// names the file, or a tokenizer that works. (One object can hold the keys of both.)
#include "model/conditioning/clip_tokenizer.h"
#include "model/conditioning/t5_tokenizer.h"
#include "tests/fuzz/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kText = "ab ▁ab </s>!ﬁ ① e\xCC\x81 <|endoftext|> <extra_id_5> \xFF b";
  static const easel::TemporaryDirectory directory;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    easel::WriteInput(directory, name, easel::AsText(data, size));
  }
  const auto clip = easel::ClipTokenizer::Load(directory.path());
  easel::RequireNames(clip.status(), directory.Path("tokenizer"));
  if (clip.ok()) easel::TokenizeAndRequire(**clip, kText);
  const auto t5 = easel::T5Tokenizer::Load(directory.path(), /*max_length=*/32);
  easel::RequireNames(t5.status(), directory.Path("tokenizer"));
  if (t5.ok()) easel::TokenizeAndRequire(**t5, kText);
  return 0;
}

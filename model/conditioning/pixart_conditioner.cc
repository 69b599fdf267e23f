#include "model/conditioning/pixart_conditioner.h"

#include <utility>

#include "model/conditioning/unicode_text.h"

namespace easel {
namespace {

// What Python's str.strip takes off: four separators of old, besides white space.
bool IsStripped(char32_t c) { return IsWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

class CaptionTokenizer : public Tokenizer {
 public:
  explicit CaptionTokenizer(std::unique_ptr<Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}
  Tokens Tokenize(std::string_view text) const override { return tokenizer_->Tokenize(PixArtCaption(text)); }
  int64_t max_length() const override { return tokenizer_->max_length(); }
  int64_t vocab_size() const override { return tokenizer_->vocab_size(); }

 private:
  const std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace

std::string PixArtCaption(std::string_view prompt) {
  const std::u32string lower = ToLowerInContext(DecodeUtf8(prompt));
  std::u32string_view caption = lower;
  while (!caption.empty() && IsStripped(caption.front())) caption.remove_prefix(1);
  while (!caption.empty() && IsStripped(caption.back())) caption.remove_suffix(1);
  return EncodeUtf8(caption);
}

absl::StatusOr<std::unique_ptr<Conditioner>> MakePixArtConditioner(std::unique_ptr<Tokenizer> tokenizer,
                                                                   std::unique_ptr<TextEncoder> encoder) {
  return MakeTextConditioner(std::make_unique<CaptionTokenizer>(std::move(tokenizer)), std::move(encoder),
                             MaskToEncoder::kYes);
}

}  // namespace easel

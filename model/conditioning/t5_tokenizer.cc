#include "model/conditioning/t5_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/unicode_text.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr char32_t kWordStart = U'\u2581';  // ▁
// transformers' T5Tokenizer has it so, whatever a file says.
constexpr int64_t kUnknown = 2;

// Cuts `text` at each of `tokens`, leftmost and then longest first: between(u32string_view) for what lies
// between (if anything), token(id) for a token.
template <class Patterns, class Between, class Token>
void SplitAtTokens(std::u32string_view text, const Patterns& tokens, Between between, Token token) {
  std::u32string first_letters;
  for (const auto& t : tokens) {
    if (first_letters.find(t.text[0]) == first_letters.npos) first_letters.push_back(t.text[0]);
  }
  size_t begin = 0;  // of what is not yet handed out
  for (size_t i = 0; i < text.size();) {
    auto it = tokens.end();
    if (first_letters.find(text[i]) != first_letters.npos) {
      it = std::find_if(tokens.begin(), tokens.end(),
                        [&](const auto& t) { return text.substr(i, t.text.size()) == t.text; });
    }
    if (it == tokens.end()) {
      ++i;
      continue;
    }
    size_t end = i;
    while (it->lstrip && end > begin && IsWhiteSpace(text[end - 1])) --end;
    if (end > begin) between(text.substr(begin, end - begin));
    token(it->id);
    i += it->text.size();
    begin = std::max(begin, i);
    while (it->rstrip && begin < text.size() && IsWhiteSpace(text[begin])) ++begin;
  }
  if (begin < text.size()) between(text.substr(begin));
}

}  // namespace

absl::StatusOr<std::unique_ptr<T5Tokenizer>> T5Tokenizer::Load(const std::string& directory,
                                                               int64_t max_length) {
  if (max_length < 1) return absl::InvalidArgumentError(absl::StrCat("max_length is ", max_length));
  EASEL_ASSIGN_OR_RETURN(T5TokenizerFiles files, ReadT5TokenizerFiles(directory));
  absl::StatusOr<PrecompiledCharsmap> charsmap = PrecompiledCharsmap::Parse(files.precompiled_charsmap);
  if (!charsmap.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.vocabulary_path, ": precompiled_charsmap: ", charsmap.status().message()));
  }
  absl::StatusOr<Unigram> unigram = Unigram::Create(std::move(files.pieces), kUnknown);
  if (!unigram.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.vocabulary_path, ": vocabulary: ", unigram.status().message()));
  }
  return std::unique_ptr<T5Tokenizer>(
      new T5Tokenizer(files, *std::move(charsmap), *std::move(unigram), max_length));
}

T5Tokenizer::T5Tokenizer(const T5TokenizerFiles& files, PrecompiledCharsmap charsmap, Unigram unigram,
                         int64_t max_length)
    : charsmap_(std::move(charsmap)),
      unigram_(std::move(unigram)),
      end_(files.end),
      padding_(files.padding),
      max_length_(max_length),
      vocab_size_(files.vocab_size) {
  for (const AddedToken& token : files.added_tokens) {
    std::u32string text = DecodeUtf8(token.text);
    if (token.normalized) text = charsmap_.Normalize(text);
    if (text.empty()) continue;  // the charsmap left nothing to look for
    Patterns& patterns = token.normalized ? normalized_tokens_ : raw_tokens_;
    patterns.push_back({std::move(text), token.lstrip, token.rstrip, token.id});
  }
  for (Patterns* patterns : {&raw_tokens_, &normalized_tokens_}) {
    std::stable_sort(patterns->begin(), patterns->end(),
                     [](const Pattern& a, const Pattern& b) { return a.text.size() > b.text.size(); });
  }
}

void T5Tokenizer::AppendWords(std::u32string_view normalized, std::vector<int64_t>* ids) const {
  const size_t n = normalized.size();
  for (size_t i = 0; i < n;) {
    if (IsWhiteSpace(normalized[i])) {
      ++i;
      continue;
    }
    // To the next white space or ▁: a ▁ in the text begins a word as well.
    std::u32string word(1, kWordStart);
    if (normalized[i] == kWordStart) ++i;
    for (; i < n && !IsWhiteSpace(normalized[i]) && normalized[i] != kWordStart; ++i) word += normalized[i];
    unigram_.Encode(EncodeUtf8(word), ids);
  }
}

Tokens T5Tokenizer::Tokenize(std::string_view text) const {
  std::vector<int64_t> ids;
  auto append_id = [&](int64_t id) { ids.push_back(id); };
  auto append_words = [&](std::u32string_view normalized) { AppendWords(normalized, &ids); };
  auto append_part = [&](std::u32string_view part) {
    SplitAtTokens(charsmap_.Normalize(part), normalized_tokens_, append_words, append_id);
  };
  SplitAtTokens(DecodeUtf8(text), raw_tokens_, append_part, append_id);
  return CutAndPad(std::move(ids), max_length_, end_, padding_);
}

}  // namespace easel

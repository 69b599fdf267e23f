#include "model/conditioning/clip_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/unicode_text.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

std::u32string Normalize(std::u32string_view text) {
  std::u32string blanks;
  for (char32_t c : ComposeNfc(text)) {
    if (!IsWhiteSpace(c)) {
      blanks.push_back(c);
    } else if (blanks.empty() || blanks.back() != U' ') {
      blanks.push_back(U' ');
    }
  }
  return ToLower(blanks);
}

bool StartsWith(std::u32string_view text, std::u32string_view start) {
  return text.substr(0, start.size()) == start;
}

// CLIP's pattern of words:
//   <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+
// Calls word(u32string_view) for each match in turn. REQUIRES: `text` is normalized.
template <class Word>
void ForEachWord(std::u32string_view text, Word word) {
  static constexpr std::u32string_view kContractions[] = {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};
  // The byte-level step cuts these two once more, at their signs.
  static constexpr std::u32string_view kSpelledOut[] = {U"startoftext", U"endoftext"};
  auto is_sign = [](char32_t c) { return !IsWhiteSpace(c) && !IsLetter(c) && !IsNumber(c); };
  auto take = [&](size_t length) {
    word(text.substr(0, length));
    text.remove_prefix(length);
  };
  auto take_while = [&](auto holds) {
    take(std::find_if_not(text.begin(), text.end(), holds) - text.begin());
  };
  while (!text.empty()) {
    if (StartsWith(text, U"<|")) {
      auto it = std::find_if(std::begin(kSpelledOut), std::end(kSpelledOut), [&](std::u32string_view name) {
        return StartsWith(text.substr(2), name) && StartsWith(text.substr(2 + name.size()), U"|>");
      });
      if (it != std::end(kSpelledOut)) {
        for (size_t length : {size_t{2}, it->size(), size_t{2}}) take(length);
        continue;
      }
    }
    auto contraction = std::find_if(std::begin(kContractions), std::end(kContractions),
                                    [&](std::u32string_view c) { return StartsWith(text, c); });
    if (contraction != std::end(kContractions)) {
      take(contraction->size());
    } else if (IsLetter(text[0])) {
      take_while(IsLetter);
    } else if (IsNumber(text[0])) {
      take(1);
    } else if (IsWhiteSpace(text[0])) {
      text.remove_prefix(1);
    } else {
      take_while(is_sign);
    }
  }
}

// Cuts `text` at each of `tokens`, leftmost and then longest first: between(u32string_view) for what lies
// between (if anything), token(id) for a token.
template <class Patterns, class Between, class Token>
void SplitAtTokens(std::u32string_view text, const Patterns& tokens, Between between, Token token) {
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    auto it = std::find_if(tokens.begin(), tokens.end(),
                           [&](const auto& t) { return StartsWith(text.substr(i), t.first); });
    if (it == tokens.end()) {
      ++i;
      continue;
    }
    if (i > begin) between(text.substr(begin, i - begin));
    token(it->second);
    begin = i += it->first.size();
  }
  if (begin < text.size()) between(text.substr(begin));
}

}  // namespace

std::vector<std::string> ClipWords(std::string_view text) {
  std::vector<std::string> words;
  ForEachWord(Normalize(DecodeUtf8(text)),
              [&](std::u32string_view word) { words.push_back(EncodeUtf8(word)); });
  return words;
}

absl::StatusOr<std::unique_ptr<ClipTokenizer>> ClipTokenizer::Load(const std::string& directory) {
  EASEL_ASSIGN_OR_RETURN(ClipTokenizerFiles files, ReadClipTokenizerFiles(directory));
  absl::StatusOr<ByteLevelBpe> bpe = ByteLevelBpe::Create(files.vocabulary, files.merges, files.unknown);
  if (!bpe.ok())
    return absl::InvalidArgumentError(absl::StrCat(files.merges_path, ": ", bpe.status().message()));
  return std::unique_ptr<ClipTokenizer>(new ClipTokenizer(files, *std::move(bpe)));
}

ClipTokenizer::ClipTokenizer(const ClipTokenizerFiles& files, ByteLevelBpe bpe)
    : bpe_(std::move(bpe)),
      start_(files.start),
      end_(files.end),
      padding_(files.padding),
      max_length_(files.max_length),
      vocab_size_(files.vocab_size) {
  for (const SpecialToken& token : files.special_tokens) {
    std::u32string text = DecodeUtf8(token.text);
    if (token.normalized) {
      normalized_tokens_.emplace_back(Normalize(text), token.id);
    } else {
      raw_tokens_.emplace_back(std::move(text), token.id);
    }
  }
  for (Patterns* tokens : {&raw_tokens_, &normalized_tokens_}) {
    std::stable_sort(tokens->begin(), tokens->end(),
                     [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  }
}

void ClipTokenizer::AppendIds(std::u32string_view text, std::vector<int64_t>* ids) const {
  auto append_id = [&](int64_t id) { ids->push_back(id); };
  auto append_words = [&](std::u32string_view normalized) {
    ForEachWord(normalized, [&](std::u32string_view word) { bpe_.Encode(EncodeUtf8(word), ids); });
  };
  auto append_part = [&](std::u32string_view part) {
    SplitAtTokens(Normalize(part), normalized_tokens_, append_words, append_id);
  };
  SplitAtTokens(text, raw_tokens_, append_part, append_id);
}

Tokens ClipTokenizer::Tokenize(std::string_view text) const {
  std::vector<int64_t> ids = {start_};
  AppendIds(DecodeUtf8(text), &ids);
  return CutAndPad(std::move(ids), max_length_, end_, padding_);
}

}  // namespace easel

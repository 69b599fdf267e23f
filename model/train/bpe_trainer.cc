#include "model/train/bpe_trainer.h"

#include <array>
#include <filesystem>
#include <map>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/conditioning/byte_level_bpe.h"
#include "model/conditioning/clip_tokenizer.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";

using Pair = std::pair<int32_t, int32_t>;

struct Word {
  std::vector<int32_t> symbols;
  int64_t count;
};

// The bytes alone, then at a word's end, in CLIP's order.
std::vector<std::string> ByteTokens() {
  std::vector<std::string> tokens;
  for (const char* end : {"", kEndOfWord}) {
    for (uint8_t byte : ByteOrder()) tokens.push_back(absl::StrCat(ByteSymbols()[byte], end));
  }
  return tokens;
}

std::vector<Word> CountWords(const std::vector<std::string>& lines) {
  std::array<int32_t, 256> id_of_byte;
  for (int i = 0; i < 256; ++i) id_of_byte[ByteOrder()[i]] = i;
  std::map<std::string, int64_t> counts;
  for (const std::string& line : lines) {
    for (std::string& word : ClipWords(line)) ++counts[std::move(word)];
  }
  std::vector<Word> words;
  for (const auto& [text, count] : counts) {
    Word word{{}, count};
    for (unsigned char byte : text) word.symbols.push_back(id_of_byte[byte]);
    word.symbols.back() += 256;
    words.push_back(std::move(word));
  }
  return words;
}

// The most frequent pair, of equals the smallest; its count is 0 when there is no pair at all.
std::pair<Pair, int64_t> MostFrequent(const std::vector<Word>& words) {
  std::unordered_map<uint64_t, int64_t> counts;
  for (const Word& word : words) {
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      counts[static_cast<uint64_t>(word.symbols[i]) << 32 | word.symbols[i + 1]] += word.count;
    }
  }
  uint64_t best = 0;
  int64_t most = 0;
  for (const auto& [pair, count] : counts) {
    if (count > most || (count == most && pair < best)) best = pair, most = count;
  }
  return {{static_cast<int32_t>(best >> 32), static_cast<int32_t>(best)}, most};
}

void Replace(Pair pair, int32_t merged, std::vector<int32_t>* symbols) {
  size_t kept = 0;
  for (size_t i = 0; i < symbols->size(); ++i) {
    const bool found = i + 1 < symbols->size() && Pair((*symbols)[i], (*symbols)[i + 1]) == pair;
    (*symbols)[kept++] = found ? merged : (*symbols)[i];
    i += found;
  }
  symbols->resize(kept);
}

}  // namespace

absl::Status TrainBpe(const std::vector<std::string>& lines, int64_t vocab_size, int64_t max_length,
                      const std::string& directory) {
  std::vector<std::string> tokens = ByteTokens();
  const int64_t merge_count = vocab_size - static_cast<int64_t>(tokens.size()) - 2;
  if (merge_count < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a vocabulary of ", vocab_size, " tokens; the least is ", tokens.size() + 2));
  }
  std::vector<Word> words = CountWords(lines);
  std::string merges = "#version: 0.2\n";
  std::unordered_map<std::string, int32_t> learnt;
  while (static_cast<int64_t>(learnt.size()) < merge_count) {
    const auto [pair, count] = MostFrequent(words);
    if (count == 0) {
      return absl::InvalidArgumentError(absl::StrCat("a vocabulary of ", vocab_size,
                                                     " tokens needs more text: its words are whole after ",
                                                     learnt.size(), " merges of ", merge_count));
    }
    absl::StrAppend(&merges, tokens[pair.first], " ", tokens[pair.second], "\n");
    // Two pairs may spell one token: a second merge then, no second token.
    const std::string token = tokens[pair.first] + tokens[pair.second];
    const auto [entry, is_new] = learnt.emplace(token, static_cast<int32_t>(tokens.size()));
    if (is_new) tokens.push_back(token);
    for (Word& word : words) Replace(pair, entry->second, &word.symbols);
  }
  tokens.push_back(kStart);
  tokens.push_back(kEnd);

  JsonWriter vocabulary;
  for (size_t id = 0; id < tokens.size(); ++id) vocabulary.Set(tokens[id], static_cast<int64_t>(id));
  JsonWriter config;
  config.Set("tokenizer_class", "CLIPTokenizer");
  config.Set("model_max_length", max_length);
  config.Set("bos_token", kStart);
  config.Set("eos_token", kEnd);
  config.Set("unk_token", kEnd);
  config.Set("pad_token", kEnd);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::InternalError(absl::StrCat(directory, ": ", error.message()));
  EASEL_RETURN_IF_ERROR(WriteTextFile(directory + "/merges.txt", merges));
  EASEL_RETURN_IF_ERROR(WriteTextFile(directory + "/tokenizer_config.json", config.Text()));
  // Last, because it is what a resumed run looks for.
  return WriteTextFile(directory + "/vocab.json", vocabulary.Text());
}

}  // namespace easel

#include "model/conditioning/clip_tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr int64_t kDefaultMaxLength = 77;
constexpr double kNoLimit = 1e6;     // transformers writes 1e30 where there is none
constexpr int64_t kMaxId = 1 << 24;  // far above any vocabulary, and ids stay small numbers

// The special tokens that have a role, by the key that names them.
using Roles = std::map<std::string, SpecialToken>;

Roles DefaultRoles() {
  return {{"bos_token", {"<|startoftext|>", -1, false}},
          {"eos_token", {"<|endoftext|>", -1, false}},
          {"unk_token", {"<|endoftext|>", -1, false}},
          {"pad_token", {"<|endoftext|>", -1, false}}};
}

absl::Status ReadVocabulary(JsonObject vocabulary, ClipTokenizerFiles* files) {
  for (auto& [token, id] : vocabulary.IntEntries()) {
    if (id < 0 || id > kMaxId) vocabulary.Fail(token, absl::StrCat("id ", id, " is not in 0..", kMaxId));
    files->vocabulary.emplace(std::move(token), id);
  }
  return vocabulary.status();
}

std::pair<std::string, std::string> SplitAtBlank(const std::string& line) {
  const size_t blank = line.find(' ');
  if (blank == std::string::npos || line.find(' ', blank + 1) != std::string::npos) return {};
  return {line.substr(0, blank), line.substr(blank + 1)};
}

absl::Status ReadMerges(const std::string& path, ClipTokenizerFiles* files) {
  std::ifstream in(path);
  if (!in) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.rfind("#version", 0) == 0) continue;
    files->merges.push_back(SplitAtBlank(line));
    if (files->merges.back().first.empty() || files->merges.back().second.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": line ", number, ": a merge is two tokens with a blank between"));
    }
  }
  return in.bad() ? absl::InternalError(absl::StrCat(path, ": cannot be read")) : absl::OkStatus();
}

// An added token as tokenizer.json and tokenizer_config.json describe it.
SpecialToken ReadAddedToken(JsonObject& token, int64_t id) {
  for (const char* key : {"lstrip", "rstrip", "single_word"}) {
    if (token.Bool(key, false)) token.Fail(key, "true is not supported");
  }
  SpecialToken result{token.String("content"), id, token.Bool("normalized", false)};
  if (result.text.empty()) token.Fail("content", "is empty");
  return result;
}

absl::Status AddSpecialToken(const std::string& path, const SpecialToken& token, ClipTokenizerFiles* files) {
  if (token.id < 0 || token.id > kMaxId) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": added token ", token.text, ": id ", token.id, " is not in 0..", kMaxId));
  }
  auto [entry, is_new] = files->vocabulary.emplace(token.text, token.id);
  if (!is_new && entry->second != token.id) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": added token ", token.text, ": id ", token.id,
                                                   ", but the vocabulary has it as ", entry->second));
  }
  std::erase_if(files->special_tokens, [&](const SpecialToken& other) { return other.text == token.text; });
  files->special_tokens.push_back(token);
  return absl::OkStatus();
}

absl::Status ReadTokenizerJson(const std::string& path, ClipTokenizerFiles* files) {
  EASEL_ASSIGN_OR_RETURN(JsonObject file, JsonObject::Open(path));
  std::optional<JsonObject> model = file.Object("model");
  EASEL_RETURN_IF_ERROR(file.status());
  if (!model) file.Fail("model", "is missing");
  EASEL_RETURN_IF_ERROR(file.status());
  if (const std::string type = model->String("type", "BPE"); type != "BPE") {
    model->Fail("type", absl::StrCat("is ", type, ", where CLIP has BPE"));
  }
  std::optional<JsonObject> vocabulary = model->Object("vocab");
  if (!vocabulary) model->Fail("vocab", "is missing");
  EASEL_RETURN_IF_ERROR(model->status());
  EASEL_RETURN_IF_ERROR(ReadVocabulary(*vocabulary, files));
  for (const std::vector<std::string>& row : model->StringRows("merges")) {
    files->merges.push_back(row.size() == 1   ? SplitAtBlank(row[0])
                            : row.size() == 2 ? std::pair(row[0], row[1])
                                              : std::pair<std::string, std::string>());
    if (files->merges.back().first.empty() || files->merges.back().second.empty()) {
      model->Fail("merges", absl::StrCat("merge ", files->merges.size(), " is not two tokens"));
    }
  }
  EASEL_RETURN_IF_ERROR(model->status());
  for (JsonObject& token : file.Objects("added_tokens")) {
    const SpecialToken special = ReadAddedToken(token, token.Int("id"));
    EASEL_RETURN_IF_ERROR(token.status());
    EASEL_RETURN_IF_ERROR(AddSpecialToken(path, special, files));
  }
  return file.status();
}

// Reads the roles that `config` names, each a string or a described token.
absl::Status ReadRoles(JsonObject& config, Roles* roles) {
  for (auto& [role, token] : *roles) {
    if (!config.Has(role)) continue;
    JsonObject probe = config;  // takes the fault when the value is a string
    if (std::optional<JsonObject> described = probe.Object(role)) {
      token = ReadAddedToken(*described, -1);
      EASEL_RETURN_IF_ERROR(described->status());
    } else {
      token.text = config.String(role);
    }
  }
  return config.status();
}

absl::Status ReadTokenizerConfig(const std::string& path, Roles* roles, ClipTokenizerFiles* files) {
  EASEL_ASSIGN_OR_RETURN(JsonObject config, JsonObject::Open(path));
  const double max_length = config.Number("model_max_length", kDefaultMaxLength);
  if (max_length < kNoLimit) files->max_length = static_cast<int64_t>(max_length);
  if (!(max_length >= 2) || (max_length < kNoLimit && max_length != static_cast<double>(files->max_length))) {
    config.Fail("model_max_length", "must be a whole number of at least 2");
  }
  EASEL_RETURN_IF_ERROR(ReadRoles(config, roles));
  std::optional<JsonObject> added = config.Object("added_tokens_decoder");
  EASEL_RETURN_IF_ERROR(config.status());
  if (!added) return absl::OkStatus();
  for (const std::string& id : added->keys()) {
    std::optional<JsonObject> token = added->Object(id);
    EASEL_RETURN_IF_ERROR(added->status());
    int64_t number = -1;
    if (!token || !absl::SimpleAtoi(id, &number)) {
      added->Fail(id, "must be a number with the token it stands for");
      return added->status();
    }
    const SpecialToken special = ReadAddedToken(*token, number);
    EASEL_RETURN_IF_ERROR(token->status());
    EASEL_RETURN_IF_ERROR(AddSpecialToken(path, special, files));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClipTokenizerFiles> ReadClipTokenizerFiles(const std::string& directory) {
  const auto exists = [&](const char* name) { return std::filesystem::exists(directory + "/" + name); };
  ClipTokenizerFiles files;
  files.max_length = kDefaultMaxLength;
  std::string vocabulary_path;
  if (exists("tokenizer.json")) {
    vocabulary_path = directory + "/tokenizer.json";
    EASEL_RETURN_IF_ERROR(ReadTokenizerJson(vocabulary_path, &files));
  } else {
    vocabulary_path = directory + "/vocab.json";
    EASEL_ASSIGN_OR_RETURN(JsonObject vocabulary, JsonObject::Open(vocabulary_path));
    EASEL_RETURN_IF_ERROR(ReadVocabulary(vocabulary, &files));
    EASEL_RETURN_IF_ERROR(ReadMerges(directory + "/merges.txt", &files));
  }
  Roles roles = DefaultRoles();
  if (exists("special_tokens_map.json")) {
    EASEL_ASSIGN_OR_RETURN(JsonObject map, JsonObject::Open(directory + "/special_tokens_map.json"));
    EASEL_RETURN_IF_ERROR(ReadRoles(map, &roles));
  }
  if (exists("tokenizer_config.json")) {
    EASEL_RETURN_IF_ERROR(ReadTokenizerConfig(directory + "/tokenizer_config.json", &roles, &files));
  }
  for (auto& [role, token] : roles) {
    auto entry = files.vocabulary.find(token.text);
    if (entry == files.vocabulary.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(vocabulary_path, ": no token ", token.text, ", which is the ", role));
    }
    token.id = entry->second;
    const bool described = std::any_of(files.special_tokens.begin(), files.special_tokens.end(),
                                       [&](const SpecialToken& other) { return other.text == token.text; });
    if (!described) files.special_tokens.push_back(token);
  }
  files.start = roles.at("bos_token").id;
  files.end = roles.at("eos_token").id;
  files.unknown = roles.at("unk_token").id;
  files.padding = roles.at("pad_token").id;
  files.vocab_size = 0;
  for (const auto& [token, id] : files.vocabulary) files.vocab_size = std::max(files.vocab_size, id + 1);
  return files;
}

}  // namespace easel

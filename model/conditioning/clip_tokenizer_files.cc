#include "model/conditioning/clip_tokenizer_files.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/io/file.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr int64_t kDefaultMaxLength = 77;
constexpr double kNoLimit = 1e6;  // transformers writes 1e30 where there is none
constexpr size_t kMaxMergesBytes = 64 << 20;
constexpr int64_t kMaxId = 1 << 24;  // far above any vocabulary, and ids stay small numbers

// A special token that has a role, and the key that names it.
struct Role {
  const char* key;
  SpecialToken token;
  bool described = false;  // by an object, not by its text alone
};

// In the order in which transformers goes through them, which matters in AddRoles.
struct Roles {
  Role start{"bos_token", {"<|startoftext|>", -1, false}};
  Role end{"eos_token", {"<|endoftext|>", -1, false}};
  Role unknown{"unk_token", {"<|endoftext|>", -1, false}};
  Role padding{"pad_token", {"<|endoftext|>", -1, false}};

  std::array<Role*, 4> all() { return {&start, &end, &unknown, &padding}; }
};

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

absl::Status ReadMerges(ClipTokenizerFiles* files) {
  const std::string& path = files->merges_path;
  EASEL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxMergesBytes));
  int number = 0;
  for (std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.rfind("#version", 0) == 0) continue;
    files->merges.push_back(SplitAtBlank(line));
    if (files->merges.back().first.empty() || files->merges.back().second.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": line ", number, ": a merge is two tokens with a blank between"));
    }
  }
  return absl::OkStatus();
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
  for (Role* role : roles->all()) {
    if (!config.Has(role->key)) continue;
    JsonObject probe = config;  // takes the fault when the value is a string
    std::optional<JsonObject> object = probe.Object(role->key);
    role->described = object.has_value();
    if (object) {
      role->token = ReadAddedToken(*object, -1);
      EASEL_RETURN_IF_ERROR(object->status());
    } else {
      role->token = {config.String(role->key), -1, false};
      if (config.status().ok() && role->token.text.empty()) config.Fail(role->key, "is empty");
    }
  }
  return config.status();
}

// Looks the roles' tokens up, and makes them special tokens unless the files have added them already.
absl::Status AddRoles(const std::string& vocabulary_path, Roles roles, ClipTokenizerFiles* files) {
  // CLIP's end token has three roles, which may be described differently: what is said again counts once, at
  // its first place, and then the last of what was said counts.
  std::vector<Role> distinct;
  for (Role* role : roles.all()) {
    const auto entry = files->vocabulary.find(role->token.text);
    if (entry == files->vocabulary.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(vocabulary_path, ": no token ", role->token.text, ", which is the ", role->key));
    }
    role->token.id = entry->second;
    const bool said = std::any_of(distinct.begin(), distinct.end(), [&](const Role& other) {
      return other.token.text == role->token.text && other.described == role->described &&
             other.token.normalized == role->token.normalized;
    });
    if (!said) distinct.push_back(*role);
  }
  const std::vector<SpecialToken> added = files->special_tokens;
  for (const Role& role : distinct) {
    auto same_text = [&](const SpecialToken& other) { return other.text == role.token.text; };
    if (std::any_of(added.begin(), added.end(), same_text)) continue;
    EASEL_RETURN_IF_ERROR(AddSpecialToken(vocabulary_path, role.token, files));
  }
  files->start = roles.start.token.id;
  files->end = roles.end.token.id;
  files->unknown = roles.unknown.token.id;
  files->padding = roles.padding.token.id;
  return absl::OkStatus();
}

absl::Status ReadTokenizerConfig(const std::string& path, Roles* roles, ClipTokenizerFiles* files) {
  EASEL_ASSIGN_OR_RETURN(JsonObject config, JsonObject::Open(path));
  const double max_length = config.Number("model_max_length", kDefaultMaxLength);
  if (!(max_length >= 2) || (max_length < kNoLimit && max_length != std::floor(max_length))) {
    config.Fail("model_max_length", "must be a whole number of at least 2");
  } else if (max_length < kNoLimit) {
    files->max_length = static_cast<int64_t>(max_length);
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
    vocabulary_path = files.merges_path = directory + "/tokenizer.json";
    EASEL_RETURN_IF_ERROR(ReadTokenizerJson(vocabulary_path, &files));
  } else {
    vocabulary_path = directory + "/vocab.json";
    EASEL_ASSIGN_OR_RETURN(JsonObject vocabulary, JsonObject::Open(vocabulary_path));
    EASEL_RETURN_IF_ERROR(ReadVocabulary(vocabulary, &files));
    files.merges_path = directory + "/merges.txt";
    EASEL_RETURN_IF_ERROR(ReadMerges(&files));
  }
  Roles roles;
  if (exists("special_tokens_map.json")) {
    EASEL_ASSIGN_OR_RETURN(JsonObject map, JsonObject::Open(directory + "/special_tokens_map.json"));
    EASEL_RETURN_IF_ERROR(ReadRoles(map, &roles));
  }
  if (exists("tokenizer_config.json")) {
    EASEL_RETURN_IF_ERROR(ReadTokenizerConfig(directory + "/tokenizer_config.json", &roles, &files));
  }
  EASEL_RETURN_IF_ERROR(AddRoles(vocabulary_path, roles, &files));
  files.vocab_size = 0;
  for (const auto& [token, id] : files.vocabulary) files.vocab_size = std::max(files.vocab_size, id + 1);
  return files;
}

}  // namespace easel

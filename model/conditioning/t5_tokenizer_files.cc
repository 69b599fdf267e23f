#include "model/conditioning/t5_tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/conditioning/sentencepiece_model.h"
#include "model/io/json.h"
#include "model/io/json_pairs.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr int64_t kDefaultExtraIds = 100;
constexpr int64_t kMaxExtraIds = 100000;
// In the order in which transformers adds them.
constexpr const char* kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

// A special token as a file gives it: described by an object, or by its text alone. Only what is the same in
// every respect counts as said before.
struct Special {
  AddedToken token;
  bool described = false;

  bool operator==(const Special&) const = default;
};

// The files beside the vocabulary; absent ones, and what transformers would not read, are empty objects.
struct ConfigFiles {
  JsonObject config;              // tokenizer_config.json
  JsonObject special_tokens_map;  // special_tokens_map.json
  JsonObject added_tokens;        // added_tokens.json
};

absl::StatusOr<JsonObject> OpenIf(bool wanted, const std::string& path) {
  return wanted && std::filesystem::exists(path) ? JsonObject::Open(path) : JsonObject::Parse("{}", path);
}

AddedToken ReadAddedToken(JsonObject& object, bool is_special) {
  if (object.Bool("single_word", false)) object.Fail("single_word", "true is not supported");
  AddedToken token;
  token.text = object.String("content");
  token.lstrip = object.Bool("lstrip", false);
  token.rstrip = object.Bool("rstrip", false);
  token.normalized = object.Bool("normalized", !object.Bool("special", is_special));
  if (token.text.empty()) object.Fail("content", "is empty");
  return token;
}

absl::Status CheckConfig(JsonObject& config) {
  for (const char* key : {"padding_side", "truncation_side"}) {
    if (const std::string side = config.String(key, "right"); side != "right") {
      config.Fail(key, absl::StrCat(side, " is not supported"));
    }
  }
  if (config.Bool("split_special_tokens", false))
    config.Fail("split_special_tokens", "true is not supported");
  for (const std::string& key : config.keys()) {
    const bool is_role = std::find(std::begin(kRoles), std::end(kRoles), key) != std::end(kRoles);
    if (is_role || !key.ends_with("_token") || !config.Has(key)) continue;
    JsonObject probe = config;  // takes the fault when the value is no boolean, such as add_eos_token's
    probe.Bool(key);
    if (!probe.status().ok()) config.Fail(key, "a token of a role that T5 does not have is not supported");
  }
  return config.status();
}

// Sets what `file` says of the roles.
absl::Status ReadRoles(JsonObject& file, bool is_special, std::map<std::string, Special>* roles) {
  for (const char* key : kRoles) {
    if (!file.Has(key)) continue;
    JsonObject probe = file;  // takes the fault when the value is a string
    if (std::optional<JsonObject> object = probe.Object(key)) {
      (*roles)[key] = {ReadAddedToken(*object, is_special), /*described=*/true};
      EASEL_RETURN_IF_ERROR(object->status());
    } else {
      (*roles)[key] = {AddedToken{file.String(key)}};
      if (file.status().ok() && file.String(key).empty()) file.Fail(key, "is empty");
    }
  }
  return file.status();
}

// The extra special tokens that the configuration lists; nothing when it has no list, not even an empty one.
absl::StatusOr<std::optional<std::vector<std::string>>> ReadExtraSpecialTokens(ConfigFiles* files) {
  std::optional<std::vector<std::string>> result;
  JsonObject& config = files->config;
  JsonObject probe = config;  // takes the fault when the value is a list
  if (std::optional<JsonObject> object = probe.Object("extra_special_tokens")) {
    if (!object->keys().empty()) config.Fail("extra_special_tokens", "an object is not supported");
  } else if (config.Has("extra_special_tokens")) {
    result = config.Strings("extra_special_tokens");
  }
  if (config.Has("additional_special_tokens") && (!result || result->empty())) {
    result = config.Strings("additional_special_tokens");
  }
  EASEL_RETURN_IF_ERROR(config.status());
  if (files->special_tokens_map.Has("extra_special_tokens")) {
    if (!result) result.emplace();
    for (std::string& token : files->special_tokens_map.Strings("extra_special_tokens")) {
      result->push_back(std::move(token));
    }
  }
  EASEL_RETURN_IF_ERROR(files->special_tokens_map.status());
  return result;
}

std::string ExtraId(int64_t i) { return absl::StrCat("<extra_id_", i, ">"); }

// The special tokens that the class adds of itself: `given`, and the extra ids unless they are among them.
absl::StatusOr<std::vector<Special>> WithExtraIds(const std::string& path, std::vector<Special> given,
                                                  int64_t extra_ids) {
  const int64_t among = std::count_if(given.begin(), given.end(), [](const Special& special) {
    return special.token.text.find("<extra_id_") != std::string::npos;
  });
  if (among > 0 && extra_ids > 0 && among != extra_ids) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", among, " of the special tokens are extra ids, but extra_ids is ", extra_ids));
  }
  for (int64_t i = 0; among == 0 && i < extra_ids; ++i) given.push_back({AddedToken{ExtraId(i)}});
  return given;
}

absl::Status ReadSpieceModel(int64_t extra_ids, T5TokenizerFiles* files, std::vector<Special>* specials) {
  EASEL_ASSIGN_OR_RETURN(SentencePieceModel model, ReadSentencePieceModel(files->vocabulary_path));
  for (SentencePieceModel::Piece& piece : model.pieces) {
    if (piece.is_control || piece.is_user_defined) {
      specials->push_back({AddedToken{piece.text}, /*described=*/true});
    }
    files->pieces.emplace_back(std::move(piece.text), piece.score);
  }
  for (int64_t i = extra_ids - 1; i >= 0; --i) files->pieces.emplace_back(ExtraId(i), 0);
  files->precompiled_charsmap = std::move(model.precompiled_charsmap);
  return absl::OkStatus();
}

absl::Status ReadNormalizer(JsonObject normalizer, T5TokenizerFiles* files) {
  std::vector<JsonObject> steps = {normalizer};
  if (normalizer.String("type") == "Sequence") steps = normalizer.Objects("normalizers");
  EASEL_RETURN_IF_ERROR(normalizer.status());
  for (JsonObject& step : steps) {
    if (step.String("type") != "Precompiled") continue;
    const std::string text = step.String("precompiled_charsmap");
    if (!absl::Base64Unescape(text, &files->precompiled_charsmap)) {
      step.Fail("precompiled_charsmap", "is not base64");
    }
    return step.status();
  }
  return absl::OkStatus();
}

absl::Status ReadTokenizerJson(T5TokenizerFiles* files, std::map<int64_t, AddedToken>* added) {
  EASEL_ASSIGN_OR_RETURN(JsonObject file, JsonObject::Open(files->vocabulary_path));
  std::optional<JsonObject> model = file.Object("model");
  if (!model) file.Fail("model", "is missing");
  EASEL_RETURN_IF_ERROR(file.status());
  if (const std::string type = model->String("type", "Unigram"); type != "Unigram") {
    model->Fail("type", absl::StrCat("is ", type, ", where T5 has Unigram"));
  }
  if (model->Bool("byte_fallback", false)) model->Fail("byte_fallback", "true is not supported");
  EASEL_RETURN_IF_ERROR(model->status());
  EASEL_ASSIGN_OR_RETURN(files->pieces, ReadStringNumberPairs(files->vocabulary_path, "model", "vocab"));
  if (std::optional<JsonObject> normalizer = file.Object("normalizer")) {
    EASEL_RETURN_IF_ERROR(ReadNormalizer(*normalizer, files));
  }
  for (const char* key : {"padding", "truncation"}) {
    std::optional<JsonObject> settings = file.Object(key);
    if (!settings) continue;
    if (settings->String("direction", "Right") != "Right")
      settings->Fail("direction", "Left is not supported");
    EASEL_RETURN_IF_ERROR(settings->status());
  }
  for (JsonObject& token : file.Objects("added_tokens")) {
    (*added)[token.Int("id")] = ReadAddedToken(token, /*is_special=*/false);
    EASEL_RETURN_IF_ERROR(token.status());
  }
  return file.status();
}

absl::Status ReadAddedTokensDecoder(JsonObject& config, std::map<int64_t, AddedToken>* added) {
  std::optional<JsonObject> decoder = config.Object("added_tokens_decoder");
  EASEL_RETURN_IF_ERROR(config.status());
  for (const std::string& id : decoder->keys()) {
    std::optional<JsonObject> token = decoder->Object(id);
    EASEL_RETURN_IF_ERROR(decoder->status());
    int64_t number = -1;
    if (!token || !absl::SimpleAtoi(id, &number)) {
      decoder->Fail(id, "must be a number with the token it stands for");
      return decoder->status();
    }
    (*added)[number] = ReadAddedToken(*token, /*is_special=*/false);
    EASEL_RETURN_IF_ERROR(token->status());
  }
  return absl::OkStatus();
}

// added_tokens.json: such a token is looked for in normalized text unless the other files list it as special.
absl::Status ReadAddedTokens(JsonObject& file, const std::map<std::string, Special>& roles,
                             const std::vector<std::string>& extras, std::map<int64_t, AddedToken>* added) {
  std::set<std::string> special(extras.begin(), extras.end());
  for (const auto& [key, role] : roles) special.insert(role.token.text);
  for (auto& [text, id] : file.IntEntries()) {
    if (text.empty()) file.Fail(text, "is empty");
    (*added)[id] = AddedToken{text, /*normalized=*/special.count(text) == 0};
  }
  return file.status();
}

// Gives `tokens` their ids: the vocabulary's, else new ones. Of one text the last description counts.
void AddTokens(const std::vector<AddedToken>& tokens, T5TokenizerFiles* files) {
  std::unordered_map<std::string_view, int64_t> ids;
  for (size_t i = 0; i < files->pieces.size(); ++i) ids[files->pieces[i].first] = i;
  std::unordered_map<std::string, size_t> places;
  files->vocab_size = files->pieces.size();
  for (const AddedToken& token : tokens) {
    const auto [place, is_new] = places.emplace(token.text, files->added_tokens.size());
    if (!is_new) {
      AddedToken& before = files->added_tokens[place->second];
      const int64_t id = before.id;
      before = token;
      before.id = id;
      continue;
    }
    files->added_tokens.push_back(token);
    const auto id = ids.find(token.text);
    files->added_tokens.back().id = id != ids.end() ? id->second : files->vocab_size++;
  }
}

int64_t IdOf(const AddedToken& token, const T5TokenizerFiles& files) {
  return std::find_if(files.added_tokens.begin(), files.added_tokens.end(),
                      [&](const AddedToken& other) { return other.text == token.text; })
      ->id;
}

}  // namespace

absl::StatusOr<T5TokenizerFiles> ReadT5TokenizerFiles(const std::string& directory) {
  EASEL_ASSIGN_OR_RETURN(JsonObject config, OpenIf(true, directory + "/tokenizer_config.json"));
  EASEL_RETURN_IF_ERROR(CheckConfig(config));
  const bool has_decoder = config.Has("added_tokens_decoder");
  EASEL_ASSIGN_OR_RETURN(JsonObject map, OpenIf(!has_decoder, directory + "/special_tokens_map.json"));
  EASEL_ASSIGN_OR_RETURN(JsonObject added_file, OpenIf(!has_decoder, directory + "/added_tokens.json"));
  ConfigFiles configs{config, map, added_file};

  const int64_t extra_ids = config.Int("extra_ids", kDefaultExtraIds);
  if (extra_ids < 0 || extra_ids > kMaxExtraIds) config.Fail("extra_ids", "is out of range");
  std::map<std::string, Special> roles;
  EASEL_RETURN_IF_ERROR(ReadRoles(config, /*is_special=*/false, &roles));
  EASEL_RETURN_IF_ERROR(ReadRoles(map, /*is_special=*/true, &roles));
  EASEL_ASSIGN_OR_RETURN(const auto listed, ReadExtraSpecialTokens(&configs));

  T5TokenizerFiles files;
  std::vector<Special> specials;  // as the class has them when the configuration lists none
  std::map<int64_t, AddedToken> json_added, added;
  files.vocabulary_path = directory + "/tokenizer.json";
  if (std::filesystem::exists(files.vocabulary_path)) {
    EASEL_RETURN_IF_ERROR(ReadTokenizerJson(&files, &json_added));
    for (std::string& text : map.Strings("additional_special_tokens", std::vector<std::string>())) {
      specials.push_back({AddedToken{std::move(text)}});
    }
    EASEL_RETURN_IF_ERROR(map.status());
  } else {
    files.vocabulary_path = directory + "/spiece.model";
    EASEL_RETURN_IF_ERROR(ReadSpieceModel(extra_ids, &files, &specials));
  }
  EASEL_ASSIGN_OR_RETURN(specials, WithExtraIds(files.vocabulary_path, std::move(specials), extra_ids));
  if (listed) {
    specials.clear();
    for (const std::string& text : *listed) specials.push_back({AddedToken{text}});
  }
  if (has_decoder) {
    EASEL_RETURN_IF_ERROR(ReadAddedTokensDecoder(config, &added));
  } else {
    EASEL_RETURN_IF_ERROR(
        ReadAddedTokens(added_file, roles, listed.value_or(std::vector<std::string>()), &added));
    for (const auto& [id, token] : json_added) added[id] = token;
  }

  roles.try_emplace("eos_token", Special{AddedToken{"</s>"}});
  roles.try_emplace("unk_token", Special{AddedToken{"<unk>"}});
  roles.try_emplace("pad_token", Special{AddedToken{"<pad>"}});
  std::vector<AddedToken> tokens;
  std::set<std::string> known;
  for (const auto& [id, token] : added) {
    tokens.push_back(token);
    known.insert(token.text);
  }
  std::vector<Special> wanted, distinct;
  for (const char* role : kRoles) {
    if (const auto it = roles.find(role); it != roles.end()) wanted.push_back(it->second);
  }
  wanted.insert(wanted.end(), specials.begin(), specials.end());
  for (const Special& special : wanted) {
    if (special.token.text.empty() || known.count(special.token.text) > 0) continue;
    if (std::find(distinct.begin(), distinct.end(), special) != distinct.end()) continue;
    distinct.push_back(special);
    tokens.push_back(special.token);
  }
  AddTokens(tokens, &files);
  files.end = IdOf(roles["eos_token"].token, files);
  files.padding = IdOf(roles["pad_token"].token, files);
  return files;
}

}  // namespace easel

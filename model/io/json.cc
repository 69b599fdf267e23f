#include "model/io/json.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/io/file.h"
#include "model/io/json_parse.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{256} << 20;  // the largest published vocabularies have 34 MB

std::string Quoted(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::optional<int64_t> ReadInt(const Json& value) {
  if (!value.is_number_integer()) return {};
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return {};
  }
  return value.get<int64_t>();
}

std::optional<std::string> ReadString(const Json& value) {
  if (!value.is_string() || AsNumber(value)) return {};
  return value.get<std::string>();
}

std::optional<std::string> ReadStringOrNull(const Json& value) {
  return value.is_null() ? std::string() : ReadString(value);
}

template <class Read>
auto ReadArray(const Json& value, Read read)
    -> std::optional<std::vector<typename decltype(read(value))::value_type>> {
  if (!value.is_array()) return {};
  std::vector<typename decltype(read(value))::value_type> result;
  result.reserve(value.size());
  for (const Json& element : value) {
    auto read_element = read(element);
    if (!read_element) return {};
    result.push_back(*std::move(read_element));
  }
  return result;
}

}  // namespace

struct JsonObject::Impl {
  std::shared_ptr<const Json> document;
  const Json* object;  // within the document
};

struct JsonObject::Reader {
  // The value of `key`; null when it is absent or null.
  static const Json* Find(const JsonObject& from, std::string_view key) {
    const auto it = from.impl_->object->find(std::string(key));
    return it == from.impl_->object->end() || it->is_null() ? nullptr : &*it;
  }

  // read(value) → optional; nothing means that the value is not what was `expected`.
  template <class Read>
  static auto IfPresent(JsonObject& from, std::string_view key, const char* expected, Read read)
      -> decltype(read(std::declval<const Json&>())) {
    const Json* value = Find(from, key);
    if (!value) return {};
    auto result = read(*value);
    if (!result) from.Fail(key, absl::StrCat("expected ", expected, ", got ", Excerpt(*value)));
    return result;
  }

  template <class T, class Read>
  static T Or(JsonObject& from, std::string_view key, std::optional<T> default_value, const char* expected,
              Read read) {
    if (!Find(from, key) && !default_value) from.Fail(key, absl::StrCat("missing; expected ", expected));
    std::optional<T> result = IfPresent(from, key, expected, read);
    if (result) return *std::move(result);
    return default_value ? *std::move(default_value) : T();
  }

  static JsonObject Nested(const JsonObject& from, const std::string& key, const Json& object) {
    return JsonObject(std::make_shared<Impl>(Impl{from.impl_->document, &object}), from.path_,
                      from.prefix_ + key + ".");
  }
};

absl::StatusOr<JsonObject> JsonObject::Open(const std::string& path) {
  EASEL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return Parse(text, path);
}

absl::StatusOr<JsonObject> JsonObject::Parse(std::string_view text, const std::string& path_for_errors) {
  EASEL_ASSIGN_OR_RETURN(Json json, ParseJson(text, path_for_errors));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_for_errors, ": expected an object, got ", Excerpt(json)));
  }
  auto document = std::make_shared<const Json>(std::move(json));
  return JsonObject(std::make_shared<Impl>(Impl{document, document.get()}), path_for_errors, "");
}

bool JsonObject::Has(std::string_view key) const { return Reader::Find(*this, key) != nullptr; }

std::vector<std::string> JsonObject::keys() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : impl_->object->items()) result.push_back(key);
  return result;
}

int64_t JsonObject::Int(std::string_view key, std::optional<int64_t> default_value) {
  return Reader::Or(*this, key, default_value, "an integer", ReadInt);
}

double JsonObject::Number(std::string_view key, std::optional<double> default_value) {
  return Reader::Or(*this, key, default_value, "a number", AsNumber);
}

bool JsonObject::Bool(std::string_view key, std::optional<bool> default_value) {
  return Reader::Or(*this, key, default_value, "true or false", [](const Json& value) -> std::optional<bool> {
    if (!value.is_boolean()) return {};
    return value.get<bool>();
  });
}

std::string JsonObject::String(std::string_view key, std::optional<std::string> default_value) {
  return Reader::Or(*this, key, std::move(default_value), "a string", ReadString);
}

std::vector<int64_t> JsonObject::Ints(std::string_view key,
                                      std::optional<std::vector<int64_t>> default_value) {
  return Reader::Or(*this, key, std::move(default_value), "an array of integers",
                    [](const Json& value) { return ReadArray(value, ReadInt); });
}

std::vector<double> JsonObject::Numbers(std::string_view key,
                                        std::optional<std::vector<double>> default_value) {
  return Reader::Or(*this, key, std::move(default_value), "an array of numbers",
                    [](const Json& value) { return ReadArray(value, AsNumber); });
}

std::vector<std::string> JsonObject::Strings(std::string_view key,
                                             std::optional<std::vector<std::string>> default_value) {
  return Reader::Or(*this, key, std::move(default_value), "an array of strings",
                    [](const Json& value) { return ReadArray(value, ReadStringOrNull); });
}

std::vector<std::vector<double>> JsonObject::Rows(std::string_view key) {
  auto read_row = [](const Json& row) { return ReadArray(row, AsNumber); };
  auto rows = Reader::IfPresent(*this, key, "an array of arrays of numbers",
                                [&](const Json& value) { return ReadArray(value, read_row); });
  return rows ? *std::move(rows) : std::vector<std::vector<double>>();
}

std::vector<std::vector<std::string>> JsonObject::StringRows(std::string_view key) {
  auto read_row = [](const Json& row) -> std::optional<std::vector<std::string>> {
    if (!row.is_string()) return ReadArray(row, ReadString);
    return std::vector<std::string>{row.get<std::string>()};
  };
  auto rows = Reader::IfPresent(*this, key, "an array of strings or of arrays of strings",
                                [&](const Json& value) { return ReadArray(value, read_row); });
  return rows ? *std::move(rows) : std::vector<std::vector<std::string>>();
}

std::optional<JsonObject> JsonObject::Object(std::string_view key) {
  return Reader::IfPresent(*this, key, "an object", [&](const Json& value) -> std::optional<JsonObject> {
    if (!value.is_object()) return {};
    return Reader::Nested(*this, std::string(key), value);
  });
}

std::vector<JsonObject> JsonObject::Objects(std::string_view key) {
  int index = 0;
  auto read_element = [&](const Json& element) -> std::optional<JsonObject> {
    if (!element.is_object()) return {};
    return Reader::Nested(*this, absl::StrCat(std::string(key), "[", index++, "]"), element);
  };
  auto objects = Reader::IfPresent(*this, key, "an array of objects",
                                   [&](const Json& value) { return ReadArray(value, read_element); });
  return objects ? *std::move(objects) : std::vector<JsonObject>();
}

std::vector<std::pair<std::string, int64_t>> JsonObject::IntEntries() {
  std::vector<std::pair<std::string, int64_t>> result;
  result.reserve(impl_->object->size());
  for (const auto& [key, value] : impl_->object->items()) {
    const std::optional<int64_t> number = ReadInt(value);
    if (!number) Fail(key, absl::StrCat("expected an integer, got ", Excerpt(value)));
    result.emplace_back(key, number.value_or(0));
  }
  return result;
}

void JsonObject::Fail(std::string_view key, const std::string& what) {
  if (!status_.ok()) return;
  const std::string full_key = prefix_ + std::string(key);
  status_ = absl::InvalidArgumentError(absl::StrCat(path_, ": key ", Quoted(full_key), ": ", what));
}

namespace {

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";  // as Python writes them, and as JsonObject reads them
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return Json(value).dump();
}

template <class T, class ToText>
std::string ArrayText(const std::vector<T>& values, ToText to_text) {
  std::string result = "[";
  for (const T& value : values) absl::StrAppend(&result, result.size() > 1 ? ", " : "", to_text(value));
  return result + "]";
}

std::string NumbersText(const std::vector<double>& values) { return ArrayText(values, NumberText); }

}  // namespace

void JsonWriter::Set(std::string_view key, bool value) { SetText(key, value ? "true" : "false"); }
void JsonWriter::Set(std::string_view key, int value) { SetText(key, absl::StrCat(value)); }
void JsonWriter::Set(std::string_view key, int64_t value) { SetText(key, absl::StrCat(value)); }
void JsonWriter::Set(std::string_view key, double value) { SetText(key, NumberText(value)); }
void JsonWriter::Set(std::string_view key, const char* value) { SetText(key, Quoted(value)); }
void JsonWriter::Set(std::string_view key, std::string_view value) { SetText(key, Quoted(value)); }
void JsonWriter::Set(std::string_view key, const std::vector<int64_t>& values) {
  SetText(key, ArrayText(values, [](int64_t value) { return absl::StrCat(value); }));
}
void JsonWriter::Set(std::string_view key, const std::vector<double>& values) {
  SetText(key, NumbersText(values));
}
void JsonWriter::Set(std::string_view key, const std::vector<std::string>& values) {
  SetText(key, ArrayText(values, [](const std::string& value) { return Quoted(value); }));
}
void JsonWriter::Set(std::string_view key, const std::vector<std::vector<double>>& rows) {
  SetText(key, ArrayText(rows, NumbersText));
}
void JsonWriter::Set(std::string_view key, const JsonWriter& object) {
  SetText(key, absl::StrReplaceAll(object.Body(), {{"\n", "\n  "}}));
}

void JsonWriter::SetText(std::string_view key, std::string text) {
  const std::string quoted = Quoted(key);
  for (auto& [existing, value] : entries_) {
    if (existing == quoted) {
      value = std::move(text);
      return;
    }
  }
  entries_.emplace_back(quoted, std::move(text));
}

std::string JsonWriter::Body() const {
  if (entries_.empty()) return "{}";
  std::string result = "{";
  for (const auto& [key, text] : entries_) {
    absl::StrAppend(&result, result.size() > 1 ? ",\n  " : "\n  ", key, ": ", text);
  }
  return result + "\n}";
}

std::string JsonWriter::Text() const { return Body() + "\n"; }

absl::Status WriteTextFile(const std::string& path, std::string_view text) {
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file, AtomicFile::Create(path));
  EASEL_RETURN_IF_ERROR(file->Write(text));
  return file->Commit();
}

}  // namespace easel

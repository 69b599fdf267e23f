// Typed reads of JSON, and its writing. Outside of this folder nothing in model/ knows the JSON library.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace easel {

// A JSON object of a file. A read of a key that is absent (and has no default) or of another type notes the
// first fault, naming file and key, and returns the default or an empty value; ask status() after the reads.
// A null reads as absent. Numbers: accepts the bare tokens NaN, Infinity, -Infinity that Python writes. Depth
// is limited.
class JsonObject {
 public:
  static absl::StatusOr<JsonObject> Open(const std::string& path);
  static absl::StatusOr<JsonObject> Parse(std::string_view text, const std::string& path_for_errors);

  bool Has(std::string_view key) const;  // present and not null
  std::vector<std::string> keys() const;
  int64_t Int(std::string_view key, std::optional<int64_t> default_value = {});
  double Number(std::string_view key, std::optional<double> default_value = {});
  bool Bool(std::string_view key, std::optional<bool> default_value = {});
  std::string String(std::string_view key, std::optional<std::string> default_value = {});
  std::vector<int64_t> Ints(std::string_view key, std::optional<std::vector<int64_t>> default_value = {});
  std::vector<double> Numbers(std::string_view key, std::optional<std::vector<double>> default_value = {});
  // Elements that are null read as "": model_index.json has [null, null].
  std::vector<std::string> Strings(std::string_view key,
                                   std::optional<std::vector<std::string>> default_value = {});
  // The next four hold what may well be absent: no fault, and reads as empty. Another type is a fault.
  // [[numbers], ...], for example latent_rgb_factors.
  std::vector<std::vector<double>> Rows(std::string_view key);
  // [[strings], ...], a bare string being a row of one: tokenizer.json's merges come in both spellings.
  std::vector<std::vector<std::string>> StringRows(std::string_view key);
  std::optional<JsonObject> Object(std::string_view key);  // nested; its faults are its own
  std::vector<JsonObject> Objects(std::string_view key);   // array of objects; their faults are their own
  // This object as name → integer (vocab.json). A value that is no integer is a fault.
  std::vector<std::pair<std::string, int64_t>> IntEntries();
  // Notes a fault of the caller's own finding at `key`: "model_index.json: key "x": <what>".
  void Fail(std::string_view key, const std::string& what);

  const absl::Status& status() const { return status_; }
  const std::string& path() const { return path_; }

 private:
  struct Impl;
  struct Reader;  // how the reads above share their checks
  JsonObject(std::shared_ptr<const Impl> impl, std::string path, std::string prefix)
      : impl_(std::move(impl)), path_(std::move(path)), prefix_(std::move(prefix)) {}

  std::shared_ptr<const Impl> impl_;
  std::string path_;
  std::string prefix_;  // of this object's keys in messages: "parent."
  absl::Status status_;
};

// A JSON object to be written, its keys in the order of their first Set.
class JsonWriter {
 public:
  void Set(std::string_view key, bool value);
  void Set(std::string_view key, int value);
  void Set(std::string_view key, int64_t value);
  void Set(std::string_view key, double value);
  void Set(std::string_view key, const char* value);
  void Set(std::string_view key, std::string_view value);
  void Set(std::string_view key, const std::vector<int64_t>& values);
  void Set(std::string_view key, const std::vector<double>& values);
  void Set(std::string_view key, const std::vector<std::string>& values);
  void Set(std::string_view key, const std::vector<std::vector<double>>& rows);
  void Set(std::string_view key, const JsonWriter& object);

  // Indented by two blanks, a line a key, with a final newline.
  std::string Text() const;

 private:
  void SetText(std::string_view key, std::string text);
  std::string Body() const;

  std::vector<std::pair<std::string, std::string>> entries_;  // both as JSON text
};

// Writes `text` to `path` through a temporary file, so that a crash leaves no half file.
absl::Status WriteTextFile(const std::string& path, std::string_view text);

}  // namespace easel

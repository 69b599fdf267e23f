// Typed reads of JSON; the only file of the project's model/ that knows the JSON library.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace easel {

// A JSON object of a file. A read of a key that is absent (and has no default) or of another type notes the first fault,
// naming file and key, and returns the default or an empty value; ask status() after the reads. A null reads as absent.
// Numbers: accepts the bare tokens NaN, Infinity, -Infinity that Python writes. Depth is limited.
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
  std::vector<std::string> Strings(std::string_view key, std::optional<std::vector<std::string>> default_value = {});
  // [[numbers], ...], for example latent_rgb_factors.
  std::vector<std::vector<double>> Rows(std::string_view key);
  std::optional<JsonObject> Object(std::string_view key);               // nested; its faults are its own
  std::vector<JsonObject> Objects(std::string_view key);                // array of objects
  std::vector<std::pair<std::string, int64_t>> IntEntries() const;      // this object as name → integer (vocab.json)
  // Notes a fault of the caller's own finding at `key`: "model_index.json: key "x": <what>".
  void Fail(std::string_view key, const std::string& what);

  const absl::Status& status() const { return status_; }
  const std::string& path() const { return path_; }

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
  std::string path_;
  absl::Status status_;
};

// Writes `text` to `path` through a temporary file. For the trainer, which makes its JSON with JsonText.
absl::Status WriteTextFile(const std::string& path, std::string_view text);

}  // namespace easel

#include "model/io/json_pairs.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "model/io/file.h"
#include "model/io/json_parse.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;

using Json = nlohmann::json;

// The value of `key`; null when `object` is no object or lacks it.
const Json* Find(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(std::string(key));
  return it == object.end() ? nullptr : &*it;
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, double>>> ReadStringNumberPairs(const std::string& path,
                                                                                  std::string_view object_key,
                                                                                  std::string_view key) {
  EASEL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  EASEL_ASSIGN_OR_RETURN(const Json document, ParseJson(text, path));
  const std::string full_key = absl::StrCat(std::string(object_key), ".", std::string(key));
  auto fault = [&](const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": key \"", full_key, "\": ", what));
  };
  const Json* object = Find(document, object_key);
  const Json* pairs = object ? Find(*object, key) : nullptr;
  if (!pairs) return fault("missing; expected an array of [string, number]");
  if (!pairs->is_array()) return fault("expected an array of [string, number], got " + Excerpt(*pairs));
  std::vector<std::pair<std::string, double>> result;
  result.reserve(pairs->size());
  for (const Json& pair : *pairs) {
    const bool is_pair = pair.is_array() && pair.size() == 2 && pair[0].is_string() && !AsNumber(pair[0]);
    const std::optional<double> number = is_pair ? AsNumber(pair[1]) : std::nullopt;
    if (!number) {
      return fault(
          absl::StrCat("element ", result.size(), ": expected [string, number], got ", Excerpt(pair)));
    }
    result.emplace_back(pair[0].get<std::string>(), *number);
  }
  return result;
}

}  // namespace easel

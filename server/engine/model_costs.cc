#include "server/engine/model_costs.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

// {"models": {"0": {"model": ..., "device": ..., "forwards": [[channels, height, width, text, rows, seconds,
// bytes], ...]}}}; files of before bytes were measured have none.
constexpr size_t kColumns = 7;

absl::StatusOr<ModelCosts> FromJson(JsonObject& json) {
  ModelCosts costs;
  costs.model = json.String("model");
  costs.device = json.String("device");
  costs.width = static_cast<int>(json.Int("width"));
  costs.height = static_cast<int>(json.Int("height"));
  costs.encode_seconds = json.Number("encode_seconds");
  costs.decode_seconds = json.Number("decode_seconds");
  costs.decode_bytes = json.Int("decode_bytes", 0);
  for (const std::vector<double>& row : json.Rows("forwards")) {
    const bool numbers = row.size() >= kColumns - 1 && row.size() <= kColumns &&
                         std::all_of(row.begin(), row.end(), [](double number) {
                           return std::isfinite(number) && number >= 0 && number < 1e15;
                         });
    if (!numbers || row[4] < 1 || row[5] > 1e9) {
      json.Fail("forwards", "a row is not [channels, height, width, text length, rows, seconds, bytes]");
      break;
    }
    ForwardTime& forward = costs.forwards.emplace_back();
    for (int i = 0; i < 4; ++i) forward.shape[i + 1] = static_cast<int64_t>(row[i]);
    forward.rows = static_cast<int>(row[4]);
    forward.seconds = row[5];
    if (row.size() == kColumns) forward.bytes = static_cast<int64_t>(row[6]);
  }
  EASEL_RETURN_IF_ERROR(json.status());
  return costs;
}

JsonWriter ToJson(const ModelCosts& costs) {
  JsonWriter json;
  json.Set("model", costs.model);
  json.Set("device", costs.device);
  json.Set("width", costs.width);
  json.Set("height", costs.height);
  json.Set("encode_seconds", costs.encode_seconds);
  json.Set("decode_seconds", costs.decode_seconds);
  json.Set("decode_bytes", costs.decode_bytes);
  std::vector<std::vector<double>> rows;
  for (const ForwardTime& forward : costs.forwards) {
    std::vector<double>& row = rows.emplace_back();
    for (int i = 0; i < 4; ++i) row.push_back(static_cast<double>(forward.shape[i + 1]));
    row.push_back(forward.rows);
    row.push_back(forward.seconds);
    row.push_back(static_cast<double>(forward.bytes));
  }
  json.Set("forwards", rows);
  return json;
}

}  // namespace

absl::StatusOr<std::vector<ModelCosts>> ReadModelCosts(const std::string& path) {
  EASEL_ASSIGN_OR_RETURN(JsonObject file, JsonObject::Open(path));
  std::optional<JsonObject> models = file.Object("models");
  if (!models.has_value()) file.Fail("models", "is missing");
  EASEL_RETURN_IF_ERROR(file.status());
  std::vector<ModelCosts> costs;
  for (const std::string& key : models->keys()) {
    std::optional<JsonObject> model = models->Object(key);
    EASEL_RETURN_IF_ERROR(models->status());
    EASEL_ASSIGN_OR_RETURN(ModelCosts read, FromJson(*model));
    costs.push_back(std::move(read));
  }
  return costs;
}

absl::Status WriteModelCosts(const std::string& path, const std::vector<ModelCosts>& costs) {
  JsonWriter models;
  for (size_t i = 0; i < costs.size(); ++i) models.Set(absl::StrCat(i), ToJson(costs[i]));
  JsonWriter file;
  file.Set("models", models);
  return WriteTextFile(path, file.Text());
}

}  // namespace easel

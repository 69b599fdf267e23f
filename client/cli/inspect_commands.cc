#include "client/cli/inspect_commands.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/error_text.h"
#include "client/cli/event_json.h"
#include "easel/v1/image_generation.grpc.pb.h"

namespace easel {
namespace {

// A server that does not answer this soon is not healthy.
constexpr absl::Duration kPatience = absl::Seconds(10);

using Row = std::vector<std::string>;

// grpc.health.v1's words.
const char* StatusName(bool serving) { return serving ? "SERVING" : "NOT_SERVING"; }

// Columns as wide as their longest cell, two blanks between them.
std::string Table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i)
      absl::StrAppendFormat(&text, "%-*s  ", static_cast<int>(widths[i]), row[i]);
    absl::StrAppend(&text, row.back(), "\n");
  }
  return text;
}

std::string Takes(const v1::Model& model) {
  std::vector<std::string> conditions;
  if (model.takes_prompt()) conditions.push_back("prompt");
  if (model.takes_negative_prompt()) conditions.push_back("negative");
  if (model.takes_class()) conditions.push_back(absl::StrCat("class 0-", model.class_count() - 1));
  if (model.takes_unconditional()) conditions.push_back("nothing");
  return absl::StrJoin(conditions, ", ");
}

std::string Sizes(const v1::Model& model) {
  std::vector<std::string> sizes;
  for (const v1::Size& size : model.limits().sizes())
    sizes.push_back(absl::StrCat(size.width(), "x", size.height()));
  if (!sizes.empty()) return absl::StrJoin(sizes, " ");
  const uint32_t multiple = model.limits().size_multiple();
  return absl::StrCat(model.defaults().width(), "x", model.defaults().height(),
                      multiple == 1 ? ", any" : absl::StrCat(", multiples of ", multiple));
}

}  // namespace

std::string ModelTable(const v1::ListModelsResponse& models) {
  if (models.models().empty()) return "no models\n";
  std::vector<Row> rows = {{"NAME", "FAMILY", "TAKES", "SIZE", "STEPS", "GUIDANCE", "SAMPLERS", "PREVIEWS",
                            "DEVICE", "DTYPE", "MEMORY"}};
  for (const v1::Model& model : models.models()) {
    rows.push_back(
        {model.name(), model.family(), Takes(model), Sizes(model),
         absl::StrCat(model.defaults().num_inference_steps(), " (to ", model.limits().max_steps(), ")"),
         model.takes_guidance() ? absl::StrCat(model.defaults().guidance_scale()) : "-",
         absl::StrJoin(model.samplers(), " "), absl::StrJoin(model.preview_methods(), " "), model.device(),
         model.dtype(), absl::StrFormat("%.1f MB", model.memory_bytes() / 1e6)});
  }
  std::string text = Table(rows);
  for (const v1::Model& model : models.models()) {
    if (model.classes().empty()) continue;
    absl::StrAppend(&text, "\nclasses of ", model.name(), ":\n");
    for (const v1::ModelClass& known : model.classes()) {
      absl::StrAppendFormat(&text, "%5d  %s\n", known.label(), absl::StrJoin(known.names(), ", "));
    }
  }
  return text;
}

int RunModels(ImageClient& client, bool json, std::ostream& out, std::ostream& err) {
  const auto models = client.ListModels(kPatience);
  if (!models.ok()) {
    err << ErrorText(models.status());
    return 1;
  }
  out << (json ? ToJson(*models) + "\n" : ModelTable(*models));
  return 0;
}

int RunHealth(ImageClient& client, bool json, std::ostream& out, std::ostream& err) {
  const std::string images = v1::ImageGeneration::service_full_name();
  std::vector<Row> rows = {{"SERVICE", "STATUS"}};
  bool serving = true;
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const std::string& service : {std::string(), images}) {
    const auto serves = client.IsServing(service, kPatience);
    if (!serves.ok()) {
      err << ErrorText(serves.status());
      return 1;
    }
    serving = serving && *serves;
    const std::string name = service.empty() ? "server" : service;
    rows.push_back({name, StatusName(*serves)});
    object[name] = StatusName(*serves);
  }
  object["models"] = nlohmann::ordered_json::object();
  // Nobody lists them while they are loaded, or to those without a key.
  const v1::ListModelsResponse models = client.ListModels(kPatience).value_or(v1::ListModelsResponse());
  for (const v1::Model& model : models.models()) {
    const auto serves = client.IsServing(absl::StrCat(images, "/", model.name()), kPatience);
    if (!serves.ok()) {
      err << ErrorText(serves.status());
      return 1;
    }
    rows.push_back({absl::StrCat(images, "/", model.name()), StatusName(*serves)});
    object["models"][model.name()] = StatusName(*serves);
  }
  out << (json ? object.dump() + "\n" : Table(rows));
  return serving ? 0 : 1;
}

}  // namespace easel

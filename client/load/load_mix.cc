#include "client/load/load_mix.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace easel {
namespace {

constexpr uint32_t kSteps[] = {4, 10, 20, 50};
constexpr double kGuidance = 4;  // of models whose default is none

absl::Status ReadPositive(const nlohmann::json& value, double* number) {
  if (!value.is_number() || !(value.get<double>() > 0)) return absl::InvalidArgumentError("not above 0");
  *number = value.get<double>();
  return absl::OkStatus();
}

absl::Status ReadTenant(const nlohmann::json& value, std::string* tenant) {
  if (!value.is_string()) return absl::InvalidArgumentError("not a string");
  *tenant = value.get<std::string>();
  const bool printable =
      std::all_of(tenant->begin(), tenant->end(), [](unsigned char c) { return absl::ascii_isprint(c); });
  return printable ? absl::OkStatus() : absl::InvalidArgumentError("not printable ASCII");
}

absl::Status ReadRequest(const nlohmann::json& value, v1::GenerateRequest* request) {
  const auto status = google::protobuf::util::JsonStringToMessage(value.dump(), request);
  if (!status.ok()) return absl::InvalidArgumentError(std::string(status.message()));
  if (request->num_images() > 1) return absl::InvalidArgumentError("num_images is 1 in a load");
  if (!request->request_id().empty()) {
    return absl::InvalidArgumentError("request_id would make one generation of all requests");
  }
  return absl::OkStatus();
}

absl::Status ReadKey(const std::string& key, const nlohmann::json& value, LoadKind& kind) {
  if (key == "request") return ReadRequest(value, &kind.request);
  if (key == "weight") return ReadPositive(value, &kind.weight);
  if (key == "tenant") return ReadTenant(value, &kind.tenant);
  if (key == "deadline_factor") return ReadPositive(value, &kind.deadline_factor.emplace());
  return absl::InvalidArgumentError("is none of request, weight, tenant, deadline_factor");
}

}  // namespace

absl::StatusOr<std::vector<LoadKind>> ParseMix(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.empty())
    return absl::InvalidArgumentError("a mix is a JSON list of at least one entry");
  std::vector<LoadKind> mix;
  for (const auto& entry : json) {
    const std::string where = absl::StrCat("entry ", mix.size());
    if (!entry.is_object() || !entry.contains("request")) {
      return absl::InvalidArgumentError(absl::StrCat(where, " is no object with a `request`"));
    }
    LoadKind kind;
    for (const auto& [key, value] : entry.items()) {
      if (const absl::Status status = ReadKey(key, value, kind); !status.ok()) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, ": ", status.message()));
      }
    }
    mix.push_back(std::move(kind));
  }
  return mix;
}

std::vector<LoadKind> BuiltInMix(const v1::Model& model) {
  v1::GenerateRequest prompt, label;
  prompt.set_prompt("red apple");
  label.set_class_label(0);
  std::vector<v1::GenerateRequest> conditions;
  if (model.takes_prompt()) conditions.push_back(prompt);
  if (model.takes_class()) conditions.push_back(label);
  if (conditions.empty()) conditions.emplace_back();

  std::vector<std::optional<double>> guidances = {std::nullopt};  // not set: the model's own
  if (model.takes_guidance()) {
    const double usual = model.defaults().guidance_scale();
    guidances = {1.0, usual > 1 ? usual : kGuidance};
  }
  std::vector<LoadKind> mix;
  for (const uint32_t steps : kSteps) {
    if (steps > model.limits().max_steps()) continue;
    for (const std::optional<double>& guidance : guidances) {
      for (const v1::GenerateRequest& condition : conditions) {
        LoadKind kind{.request = condition};
        kind.request.set_num_inference_steps(steps);
        if (guidance.has_value()) kind.request.set_guidance_scale(*guidance);
        mix.push_back(std::move(kind));
      }
    }
  }
  return mix;
}

std::string KindName(const v1::GenerateRequest& request) {
  std::vector<std::string> parts;
  if (!request.model().empty()) parts.push_back(request.model());
  if (request.has_num_inference_steps()) {
    parts.push_back(absl::StrCat(request.num_inference_steps(), " steps"));
  }
  if (request.has_guidance_scale()) {
    parts.push_back(absl::StrFormat("guidance %.3g", request.guidance_scale()));
  }
  if (request.has_width() || request.has_height()) {
    parts.push_back(absl::StrCat(request.width(), "x", request.height()));
  }
  if (!request.sampler().empty()) parts.push_back(request.sampler());
  switch (request.condition_case()) {
    case v1::GenerateRequest::kPrompt:
      parts.push_back("prompt");
      break;
    case v1::GenerateRequest::kClassLabel:
    case v1::GenerateRequest::kClassName:
      parts.push_back("class");
      break;
    default:
      parts.push_back("no condition");
  }
  return absl::StrJoin(parts, ", ");
}

}  // namespace easel

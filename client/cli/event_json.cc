#include "client/cli/event_json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

namespace easel {
namespace {

// Safe on the text of JSON: inside its strings, quotes have a backslash before them.
void Remove(std::string& json, std::string_view part) {
  if (const size_t at = json.find(part); at != json.npos) json.erase(at, part.size());
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  return status.ok() ? json : "{}";
}

std::string EventToJson(const v1::GenerationEvent& event, std::string_view file) {
  v1::GenerationEvent copy = event;
  if (copy.has_image()) copy.mutable_image()->clear_chunk();
  if (copy.has_preview()) copy.mutable_preview()->clear_data();
  std::string json = ToJson(copy);
  if (copy.has_image()) {
    Remove(json, R"("chunk":"",)");
    Remove(json, R"(,"last_chunk":true)");
  }
  if (copy.has_preview()) Remove(json, R"(,"data":"")");
  if (file.empty()) return json;
  google::protobuf::Value name;
  name.set_string_value(std::string(file));
  json.pop_back();
  return json + R"(,"file":)" + ToJson(name) + "}";
}

std::string GenerationToJson(const v1::Generation& generation, const std::vector<std::string>& files) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(ToJson(generation));
  for (auto& image : json["images"]) image.erase("data");
  if (!files.empty()) json["files"] = files;
  return json.dump();
}

}  // namespace easel

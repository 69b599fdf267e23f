#include "model/io/model_directory.h"

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/io/file.h"
#include "model/io/status_macros.h"

namespace easel {

absl::StatusOr<ModelDirectory> ModelDirectory::Open(const std::string& directory) {
  EASEL_ASSIGN_OR_RETURN(JsonObject index, JsonObject::Open(directory + "/model_index.json"));
  ModelDirectory model{directory, index.String("_class_name"), {}, index};
  EASEL_RETURN_IF_ERROR(index.status());
  for (const std::string& key : index.keys()) {
    JsonObject probe = index;  // takes the fault when the value is no array of strings, and so no component
    const std::vector<std::string> entry = probe.Strings(key);
    if (key.starts_with('_') || !probe.status().ok() || entry.size() != 2) continue;
    if (entry[0].empty() && entry[1].empty()) continue;
    if (!IsPlainFileName(key)) index.Fail(key, "a component's name must be the plain name of a directory");
    if (entry[0].empty() || entry[1].empty()) index.Fail(key, "expected [library, class] or [null, null]");
    std::error_code ignored;
    if (!std::filesystem::is_directory(model.PathOf(key), ignored)) {
      index.Fail(key, absl::StrCat("there is no directory ", model.PathOf(key)));
    }
    EASEL_RETURN_IF_ERROR(index.status());
    model.components[key] = {entry[0], entry[1]};
  }
  return model;
}

absl::StatusOr<ModelComponent> ModelDirectory::Component(std::string_view component) const {
  const auto it = components.find(component);
  if (it != components.end()) return it->second;
  JsonObject faulty = index;
  faulty.Fail(component, absl::StrCat("missing; ", class_name, " needs this component"));
  return faulty.status();
}

}  // namespace easel

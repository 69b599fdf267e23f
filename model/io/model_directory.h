// A model directory in diffusers' layout: model_index.json and a directory for each component that it names.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/io/json.h"

namespace easel {

// An entry of model_index.json, for example "vae": ["diffusers", "AutoencoderKL"].
struct ModelComponent {
  std::string library;
  std::string class_name;
};

struct ModelDirectory {
  // Reads DIRECTORY/model_index.json. Components are its entries of two strings; [null, null] stands for an
  // absent one. Each component's name must be a plain file name and its directory must be there. Errors name
  // the file and the key.
  static absl::StatusOr<ModelDirectory> Open(const std::string& directory);

  bool Has(std::string_view component) const { return components.contains(component); }
  // The component; an error that names model_index.json and the key when the model has none.
  absl::StatusOr<ModelComponent> Component(std::string_view component) const;
  std::string PathOf(std::string_view component) const { return path + "/" + std::string(component); }

  std::string path;
  std::string class_name;  // _class_name, for example "EaselPipeline"
  std::map<std::string, ModelComponent, std::less<>> components;
  JsonObject index;  // all of model_index.json, for its other keys (id2label)
};

}  // namespace easel

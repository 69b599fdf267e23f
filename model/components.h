// The components of one model directory: each a folder with a config.json and a checkpoint, its class named
// in model_index.json as [library, class].
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/io/json.h"
#include "model/nn/weights.h"

namespace easel {

// One thread at a time. Errors name the file, and the key or tensor.
class Components {
 public:
  Components(std::string directory, c10::Device device, c10::ScalarType dtype)
      : directory_(std::move(directory)), device_(device), dtype_(dtype) {}

  std::string Path(std::string_view component) const { return directory_ + "/" + std::string(component); }

  // The class of `component` by `index`, a model_index.json; empty where it is absent or [null, null]. The
  // library is not looked at. A fault is noted in `index`.
  static std::string ClassOf(JsonObject& index, std::string_view component);

  // The component's config. Its own _class_name, where it has one, must be `class_name`.
  absl::StatusOr<JsonObject> OpenConfig(std::string_view component, const std::string& class_name,
                                        std::string_view file = "config.json") const;

  // Hands the component's checkpoint to `build`, which must take all of it but the `ignored` tensors.
  absl::Status Build(std::string_view component, const std::function<void(const Weights&)>& build,
                     const std::vector<std::string_view>& ignored = {});

  c10::Device device() const { return device_; }
  int64_t weight_bytes() const { return weight_bytes_; }  // of everything built so far, as served

 private:
  const std::string directory_;
  const c10::Device device_;
  const c10::ScalarType dtype_;
  int64_t weight_bytes_ = 0;
};

// Among `table`'s rows (with a member `name`) the one of that name; else notes in `config` at `key` which
// there are.
template <typename Table>
auto FindByName(const Table& table, const std::string& name, JsonObject& config, std::string_view key)
    -> decltype(std::begin(table)) {
  std::string known;
  for (auto row = std::begin(table); row != std::end(table); ++row) {
    if (name == row->name) return row;
    known += (known.empty() ? "" : ", ") + std::string(row->name);
  }
  config.Fail(key, "\"" + name + "\" is not served; known: " + known);
  return std::end(table);
}

}  // namespace easel

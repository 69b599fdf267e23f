#include "model/components.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"
#include "model/io/checkpoint.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

// Passes on what a network takes, and counts it.
class CountingSource : public WeightSource {
 public:
  explicit CountingSource(WeightSource* source) : source_(source) {}

  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override {
    at::Tensor tensor = source_->Take(name, shape, init);
    bytes_ += tensor.nbytes();
    return tensor;
  }
  bool Has(const std::string& name) const override { return source_->Has(name); }
  int64_t bytes() const { return bytes_; }

 private:
  WeightSource* const source_;
  int64_t bytes_ = 0;
};

}  // namespace

std::string Components::ClassOf(JsonObject& index, std::string_view component) {
  if (!index.Has(component)) return "";
  std::vector<std::string> entry = index.Strings(component);
  if (index.status().ok() && entry.size() != 2) index.Fail(component, "must be [library, class]");
  return entry.size() == 2 ? entry[1] : "";
}

absl::StatusOr<JsonObject> Components::OpenConfig(std::string_view component, const std::string& class_name,
                                                  std::string_view file) const {
  EASEL_ASSIGN_OR_RETURN(JsonObject config,
                         JsonObject::Open(absl::StrCat(Path(component), "/", std::string(file))));
  const std::string own = config.String("_class_name", class_name);
  if (config.status().ok() && own != class_name) {
    config.Fail("_class_name", absl::StrCat("\"", own, "\", but model_index.json says \"", class_name, "\""));
  }
  EASEL_RETURN_IF_ERROR(config.status());
  return config;
}

absl::Status Components::Build(std::string_view component, const std::function<void(const Weights&)>& build,
                               const std::vector<std::string_view>& ignored) {
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint,
                         Checkpoint::Open(Path(component), device_, dtype_));
  CountingSource source(checkpoint.get());
  try {
    build(Weights(&source));
  } catch (const c10::Error& error) {  // no memory on the device, or a config of absurd sizes
    return absl::ResourceExhaustedError(absl::StrCat(Path(component), ": ", error.what_without_backtrace()));
  }
  weight_bytes_ += source.bytes();
  for (std::string_view name : ignored) checkpoint->Ignore(name);
  return checkpoint->Finish();
}

}  // namespace easel

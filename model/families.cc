#include "model/families.h"

#include "model/components.h"
#include "model/dit_family.h"
#include "model/easel_family.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

// A new family is a new file and a row here.
constexpr struct {
  const char* name;
  absl::StatusOr<PipelineParts> (*load)(Components& components, JsonObject& index);
} kFamilies[] = {{"EaselPipeline", LoadEaselFamily}, {"DiTPipeline", LoadDitFamily}};

}  // namespace

absl::StatusOr<PipelineParts> LoadParts(const std::string& directory, c10::Device device,
                                        c10::ScalarType dtype) {
  EASEL_ASSIGN_OR_RETURN(JsonObject index, JsonObject::Open(directory + "/model_index.json"));
  const std::string class_name = index.String("_class_name");
  EASEL_RETURN_IF_ERROR(index.status());
  const auto* family = FindByName(kFamilies, class_name, index, "_class_name");
  EASEL_RETURN_IF_ERROR(index.status());
  Components components(directory, device, dtype);
  EASEL_ASSIGN_OR_RETURN(PipelineParts parts, family->load(components, index));
  parts.info.family = class_name;
  return parts;
}

}  // namespace easel

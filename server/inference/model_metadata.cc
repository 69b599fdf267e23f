#include "server/inference/model_metadata.h"

#include <array>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/inference/infer_request.h"
#include "server/inference/tensors.h"

namespace easel {
namespace {

constexpr char kPlatform[] = "easel";

bool Takes(const ModelInfo& info, std::string_view input) {
  if (input == "PROMPT") return info.takes_prompt;
  if (input == "NEGATIVE_PROMPT") return info.takes_negative_prompt;
  if (input == "CLASS_LABEL") return info.takes_class;
  if (input == "GUIDANCE_SCALE") return info.takes_guidance;
  return true;
}

// Of several kinds of condition none alone is needed, and a class may be given by its name instead.
bool Needs(const ModelInfo& info, std::string_view input) {
  return input == "PROMPT" && !info.takes_unconditional && !info.takes_class;
}

inference::DataType TypeOf(Datatype datatype) {
  switch (datatype) {
    case Datatype::kBytes:
      return inference::TYPE_STRING;
    case Datatype::kInt32:
      return inference::TYPE_INT32;
    case Datatype::kInt64:
      return inference::TYPE_INT64;
    case Datatype::kUint64:
      return inference::TYPE_UINT64;
    case Datatype::kFp32:
      return inference::TYPE_FP32;
    case Datatype::kUint8:
      return inference::TYPE_UINT8;
  }
  return inference::TYPE_INVALID;
}

struct Output {
  TensorType type;
  std::vector<int64_t> shape;  // -1: as the request makes it
};
const std::array<Output, 4>& Outputs() {
  static const auto& outputs = *new std::array<Output, 4>{{{{"IMAGE", Datatype::kBytes}, {-1}},
                                                           {{"IMAGE_RAW", Datatype::kUint8}, {-1, -1, -1, 3}},
                                                           {{"SEED", Datatype::kUint64}, {-1}},
                                                           {{"STEP", Datatype::kInt32}, {-1}}}};
  return outputs;
}

void Describe(std::string_view name, Datatype datatype, const std::vector<int64_t>& shape,
              inference::ModelMetadataResponse::TensorMetadata* tensor) {
  tensor->set_name(std::string(name));
  tensor->set_datatype(std::string(NameOf(datatype)));
  tensor->mutable_shape()->Add(shape.begin(), shape.end());
}

}  // namespace

inference::ModelMetadataResponse ToMetadata(const ServedModel& model) {
  inference::ModelMetadataResponse metadata;
  metadata.set_name(model.name);
  metadata.add_versions(std::string(kModelVersion));
  metadata.set_platform(kPlatform);
  for (const TensorType& input : kInputs) {
    if (Takes(model.info, input.name)) Describe(input.name, input.datatype, {1}, metadata.add_inputs());
  }
  for (const Output& output : Outputs()) {
    Describe(output.type.name, output.type.datatype, output.shape, metadata.add_outputs());
  }
  return metadata;
}

inference::ModelConfig ToConfig(const ServedModel& model, const RequestLimits& limits) {
  inference::ModelConfig config;
  config.set_name(model.name);
  config.set_platform(kPlatform);
  config.set_backend(kPlatform);
  config.mutable_version_policy()->mutable_specific()->add_versions(1);
  config.set_max_batch_size(0);
  for (const TensorType& type : kInputs) {
    if (!Takes(model.info, type.name)) continue;
    inference::ModelInput* input = config.add_input();
    input->set_name(std::string(type.name));
    input->set_data_type(TypeOf(type.datatype));
    input->add_dims(1);
    input->set_optional(!Needs(model.info, type.name));
  }
  for (const Output& each : Outputs()) {
    inference::ModelOutput* output = config.add_output();
    output->set_name(std::string(each.type.name));
    output->set_data_type(TypeOf(each.type.datatype));
    output->mutable_dims()->Add(each.shape.begin(), each.shape.end());
  }
  inference::ModelInstanceGroup* group = config.add_instance_group();
  group->set_name(model.device);
  group->set_count(1);
  group->set_kind(absl::StartsWith(model.device, "cuda") ? inference::ModelInstanceGroup::KIND_GPU
                                                         : inference::ModelInstanceGroup::KIND_CPU);
  config.mutable_dynamic_batching()->set_priority_levels(kPriorityLevels);
  config.mutable_dynamic_batching()->set_default_priority_level(kDefaultPriorityLevel);
  config.mutable_model_transaction_policy()->set_decoupled(false);
  const auto say = [&config](const char* key, const std::string& value) {
    (*config.mutable_parameters())[key].set_string_value(value);
  };
  say("family", model.info.family);
  say("samplers", absl::StrJoin(model.info.samplers, ","));
  say("preview_methods", absl::StrJoin(model.info.preview_methods, ","));
  say("num_classes", absl::StrCat(model.info.num_classes));
  say("max_steps", absl::StrCat(limits.max_steps));
  say("max_images", absl::StrCat(limits.max_images));
  say("max_pixels", absl::StrCat(MaxPixels(model.info, limits)));
  return config;
}

}  // namespace easel

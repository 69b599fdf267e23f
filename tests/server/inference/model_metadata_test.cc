#include "server/inference/model_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace easel {
namespace {

using ::testing::ElementsAre;

ServedModel Model() {
  ServedModel model;
  model.name = "m";
  model.device = "cpu";
  model.info.family = "EaselPipeline";
  model.info.default_width = model.info.default_height = 64;
  model.info.takes_prompt = model.info.takes_class = model.info.takes_negative_prompt = true;
  model.info.takes_guidance = model.info.takes_unconditional = true;
  model.info.num_classes = 4;
  model.info.samplers = {"euler", "heun"};
  model.info.preview_methods = {"linear"};
  return model;
}

std::vector<std::string> InputsOf(const ServedModel& model) {
  std::vector<std::string> inputs;
  const auto metadata = ToMetadata(model);
  for (const auto& input : metadata.inputs()) {
    EXPECT_THAT(input.shape(), ElementsAre(1));
    inputs.push_back(absl::StrCat(input.name(), " ", input.datatype()));
  }
  return inputs;
}

std::vector<std::string> NeededBy(const ServedModel& model) {
  std::vector<std::string> needed;
  const auto config = ToConfig(model, {});
  for (const auto& input : config.input()) {
    if (!input.optional()) needed.push_back(input.name());
  }
  return needed;
}

TEST(ModelMetadataTest, AModelsInputsAreThoseItTakes) {
  EXPECT_THAT(InputsOf(Model()),
              ElementsAre("PROMPT BYTES", "NEGATIVE_PROMPT BYTES", "CLASS_LABEL INT64", "SEED UINT64",
                          "STEPS INT32", "GUIDANCE_SCALE FP32", "WIDTH INT32", "HEIGHT INT32"));
  ServedModel plain = Model();
  plain.info.takes_prompt = plain.info.takes_class = plain.info.takes_negative_prompt = false;
  plain.info.takes_guidance = false;
  EXPECT_THAT(InputsOf(plain), ElementsAre("SEED UINT64", "STEPS INT32", "WIDTH INT32", "HEIGHT INT32"));
}

TEST(ModelMetadataTest, OutputsAreTheSameForAll) {
  std::vector<std::string> outputs;
  const auto metadata = ToMetadata(Model());
  for (const auto& output : metadata.outputs()) {
    outputs.push_back(
        absl::StrCat(output.name(), " ", output.datatype(), " [", absl::StrJoin(output.shape(), ","), "]"));
  }
  EXPECT_THAT(outputs, ElementsAre("IMAGE BYTES [-1]", "IMAGE_RAW UINT8 [-1,-1,-1,3]", "SEED UINT64 [-1]",
                                   "STEP INT32 [-1]"));
}

TEST(ModelMetadataTest, InputsAreOptionalButForWhatTheModelNeeds) {
  EXPECT_THAT(NeededBy(Model()), ElementsAre());
  ServedModel prompts = Model();
  prompts.info.takes_class = prompts.info.takes_unconditional = false;
  EXPECT_THAT(NeededBy(prompts), ElementsAre("PROMPT"));
}

TEST(ModelMetadataTest, TheConfigSaysWhatTheMetadataSays) {
  const auto metadata = ToMetadata(Model());
  const auto config = ToConfig(Model(), {});
  ASSERT_EQ(config.input_size(), metadata.inputs_size());
  ASSERT_EQ(config.output_size(), metadata.outputs_size());
  for (int i = 0; i < config.input_size(); ++i) {
    EXPECT_EQ(config.input(i).name(), metadata.inputs(i).name());
    const std::string type = inference::DataType_Name(config.input(i).data_type());
    EXPECT_EQ(type == "TYPE_STRING" ? "TYPE_BYTES" : type,
              absl::StrCat("TYPE_", metadata.inputs(i).datatype()));
  }
  EXPECT_EQ(config.max_batch_size(), 0);
  EXPECT_FALSE(config.model_transaction_policy().decoupled());
  EXPECT_EQ(config.parameters().at("samplers").string_value(), "euler,heun");
  EXPECT_EQ(config.instance_group(0).kind(), inference::ModelInstanceGroup::KIND_CPU);
}

}  // namespace
}  // namespace easel

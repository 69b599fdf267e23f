#include "model/io/model_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/io/temporary_directory.h"

namespace easel {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

std::string OpenError(const TemporaryDirectory& directory, const std::string& index) {
  directory.Write("model_index.json", index);
  const auto model = ModelDirectory::Open(directory.path());
  return model.ok() ? "opened" : Message(model.status());
}

TEST(ModelDirectory, ReadsComponentsAndKeepsTheRest) {
  TemporaryDirectory directory;
  directory.Write("model_index.json", R"({
      "_class_name": "DiTPipeline", "_diffusers_version": "0.42.0", "_ignored": ["a", "b"],
      "transformer": ["diffusers", "DiTTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"],
      "safety_checker": [null, null], "requires_safety_checker": [null, true], "size": [64, 64],
      "id2label": {"0": "tench, Tinca tinca"}, "default_guidance_scale": 4.5})");
  directory.Write("transformer/config.json", "{}");
  directory.Write("vae/config.json", "{}");
  auto model = ModelDirectory::Open(directory.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->class_name, "DiTPipeline");
  EXPECT_EQ(model->components.size(), 2);
  EXPECT_TRUE(model->Has("vae"));
  EXPECT_FALSE(model->Has("safety_checker"));
  EXPECT_EQ(model->Component("transformer")->library, "diffusers");
  EXPECT_EQ(model->Component("transformer")->class_name, "DiTTransformer2DModel");
  EXPECT_EQ(model->PathOf("vae"), directory.Path("vae"));
  EXPECT_EQ(model->index.Object("id2label")->String("0"), "tench, Tinca tinca");
  EXPECT_EQ(model->index.Number("default_guidance_scale"), 4.5);
  EXPECT_EQ(
      Message(model->Component("tokenizer").status()),
      directory.Path("model_index.json") + ": key \"tokenizer\": missing; DiTPipeline needs this component");
}

TEST(ModelDirectory, NamesFileAndKey) {
  TemporaryDirectory directory;
  const absl::Status absent = ModelDirectory::Open(directory.path()).status();
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(absent), HasSubstr("/model_index.json: cannot be opened"));

  const std::pair<std::string, const char*> cases[] = {
      {"{", "model_index.json: not JSON"},
      {"{}", "model_index.json: key \"_class_name\": missing"},
      {R"({"_class_name": 3})", "key \"_class_name\": expected a string, got 3"},
      {R"({"_class_name": "P", "vae": ["diffusers", "AutoencoderKL"]})",
       "key \"vae\": there is no directory"},
      {R"({"_class_name": "P", "file": ["diffusers", "AutoencoderKL"]})",
       "key \"file\": there is no directory"},
      {R"({"_class_name": "P", "../other": ["diffusers", "X"]})",
       "key \"../other\": a component's name must be"},
      {R"({"_class_name": "P", "..": ["diffusers", "X"]})", "key \"..\": a component's name must be"},
      {R"({"_class_name": "P", "": ["diffusers", "X"]})", "key \"\": a component's name must be"},
      {R"({"_class_name": "P", "vae": ["diffusers", null]})",
       "key \"vae\": expected [library, class] or [null, null]"},
  };
  directory.Write("file", "");
  for (const auto& [index, error] : cases)
    EXPECT_THAT(OpenError(directory, index), HasSubstr(error)) << index;
}

}  // namespace
}  // namespace easel

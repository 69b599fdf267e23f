#include "server/inference/infer_request.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "server/service/status_conversion.h"

namespace easel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kPrompt[] =
    "inputs { name: 'PROMPT' datatype: 'BYTES' shape: 1 contents { bytes_contents: 'red' } } ";

inference::ModelInferRequest Request(const std::string& text) {
  inference::ModelInferRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

absl::StatusOr<InferRequest> Parsed(const std::string& text, Answer answer = Answer::kStream) {
  return ParseInferRequest(Request(text), answer);
}

// The request made, as text; or the refusal.
std::string Made(const std::string& text) {
  const auto parsed = Parsed(text);
  return parsed.ok() ? parsed->request.ShortDebugString() : parsed.status().ToString();
}

std::string Refused(const std::string& text, Answer answer = Answer::kStream) {
  const auto parsed = Parsed(text, answer);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.status().message());
}

std::string Parameter(const std::string& name, const std::string& value) {
  return "parameters { key: '" + name + "' value { " + value + " } } ";
}

TEST(InferRequestTest, EveryInputIsItsField) {
  const auto parsed = Parsed(R"(
      model_name: 'm'
      inputs { name: 'PROMPT' datatype: 'BYTES' shape: 1 contents { bytes_contents: 'red' } }
      inputs { name: 'NEGATIVE_PROMPT' datatype: 'BYTES' shape: [1, 1] contents { bytes_contents: 'blue' } }
      inputs { name: 'SEED' datatype: 'UINT64' shape: 1 contents { uint64_contents: 18446744073709551615 } }
      inputs { name: 'STEPS' datatype: 'INT32' shape: 1 contents { int_contents: 7 } }
      inputs { name: 'GUIDANCE_SCALE' datatype: 'FP32' shape: 1 contents { fp32_contents: 3.3 } }
      inputs { name: 'WIDTH' datatype: 'INT32' shape: 1 contents { int_contents: 64 } }
      inputs { name: 'HEIGHT' datatype: 'INT32' shape: 1 contents { int_contents: 32 } })");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const v1::GenerateRequest& request = parsed->request;
  EXPECT_EQ(request.model(), "m");
  EXPECT_EQ(request.prompt(), "red");
  EXPECT_EQ(request.negative_prompt(), "blue");
  EXPECT_EQ(request.seed(), ~uint64_t{0});
  EXPECT_EQ(request.num_inference_steps(), 7u);
  EXPECT_EQ(request.guidance_scale(), 3.3);  // as written, not as the float nearest to it
  EXPECT_EQ(request.width(), 64u);
  EXPECT_EQ(request.height(), 32u);
  EXPECT_FALSE(request.has_preview());
  EXPECT_EQ(parsed->timeout, absl::InfiniteDuration());

  const std::string by_class =
      "inputs { name: 'CLASS_LABEL' datatype: 'INT64' shape: 1 contents { int64_contents: 0 } }";
  EXPECT_EQ(Parsed(by_class)->request.condition_case(), v1::GenerateRequest::kClassLabel);
}

TEST(InferRequestTest, WhatIsNotSaidIsNotSet) { EXPECT_EQ(Made(""), "output { }"); }

TEST(InferRequestTest, RawContentsBelongToTheirInputs) {
  auto request = Request(
      "inputs { name: 'STEPS' datatype: 'INT32' shape: 1 } inputs { name: 'PROMPT' datatype: 'BYTES' shape: "
      "1 }");
  request.add_raw_input_contents(std::string("\x07\0\0\0", 4));
  request.add_raw_input_contents(std::string("\x03\0\0\0red", 7));
  const auto parsed = ParseInferRequest(request, Answer::kUnary);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->request.num_inference_steps(), 7u);
  EXPECT_EQ(parsed->request.prompt(), "red");

  request.mutable_raw_input_contents()->RemoveLast();
  EXPECT_THAT(ParseInferRequest(request, Answer::kUnary).status().ToString(),
              HasSubstr("raw_input_contents: 1 given for 2 inputs"));
}

TEST(InferRequestTest, RawAndTypedContentsDoNotMix) {
  auto request = Request(std::string(kPrompt) + "inputs { name: 'STEPS' datatype: 'INT32' shape: 1 }");
  request.add_raw_input_contents(std::string("\x03\0\0\0red", 7));
  request.add_raw_input_contents(std::string("\x07\0\0\0", 4));
  EXPECT_THAT(
      ParseInferRequest(request, Answer::kUnary).status().ToString(),
      AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr("PROMPT: contents given beside raw_input_contents")));
}

TEST(InferRequestTest, WhatIsWrongIsNamedAllAtOnce) {
  const std::string message = Refused(R"(
      inputs { name: 'PROMT' datatype: 'BYTES' shape: 1 contents { bytes_contents: 'red' } }
      inputs { name: 'STEPS' datatype: 'INT32' shape: 1 contents { int_contents: -1 } }
      inputs { name: 'STEPS' datatype: 'INT32' shape: 1 contents { int_contents: 2 } }
      inputs { name: 'WIDTH' datatype: 'INT64' shape: 1 contents { int64_contents: 2 } }
      inputs { name: 'CLASS_LABEL' datatype: 'INT64' shape: 1 contents { int64_contents: -5 } }
      outputs { name: 'IMGE' } outputs { name: 'IMAGE' } outputs { name: 'IMAGE' }
      outputs { name: 'SEED' parameters { key: 'classification' value { int64_param: 3 } } }
      parameters { key: 'samplr' value { string_param: 'euler' } })");
  for (const char* said :
       {"'PROMT': no such input; there are: PROMPT, ", "STEPS: -1 given; allowed: 0 to", "STEPS: given twice",
        "WIDTH: datatype 'INT64' given; allowed: INT32", "CLASS_LABEL: -5 given", "'IMGE': no such output",
        "IMAGE: asked for twice", "SEED: parameter 'classification' given",
        "'samplr': no such parameter; there are: "}) {
    EXPECT_THAT(message, HasSubstr(said));
  }
}

TEST(InferRequestTest, OneConditionAlone) {
  const std::string label =
      "inputs { name: 'CLASS_LABEL' datatype: 'INT64' shape: 1 contents { int64_contents: 0 } }";
  EXPECT_THAT(Refused(kPrompt + label), HasSubstr("PROMPT: given beside another condition"));
  EXPECT_THAT(Refused(label + Parameter("class_name", "string_param: 'cat'")),
              HasSubstr("CLASS_LABEL: given beside another condition"));
}

TEST(InferRequestTest, OutputsAskedForAreThoseAlone) {
  const auto all = Parsed("");
  EXPECT_TRUE(all->image && all->seed && all->step && !all->image_raw);
  const auto one = Parsed("outputs { name: 'IMAGE_RAW' }");
  EXPECT_TRUE(!one->image && !one->seed && !one->step && one->image_raw);
  EXPECT_EQ(one->request.output().format(), v1::IMAGE_FORMAT_RAW_RGB8);  // no file is written
  const auto both = Parsed("outputs { name: 'IMAGE_RAW' } outputs { name: 'IMAGE' }");
  EXPECT_EQ(both->request.output().format(),
            v1::IMAGE_FORMAT_UNSPECIFIED);  // PNG, from which the pixels come
}

TEST(InferRequestTest, FormatsThatDoNotGoWithTheOutputsAreRefused) {
  const std::string jpeg = Parameter("output_format", "string_param: 'jpeg'");
  EXPECT_THAT(Made(jpeg), HasSubstr("JPEG"));
  EXPECT_THAT(Refused(jpeg + "outputs { name: 'SEED' }"),
              HasSubstr("output_format: given; allowed: with the output"));
  EXPECT_THAT(Refused(jpeg + "outputs { name: 'IMAGE' } outputs { name: 'IMAGE_RAW' }"),
              HasSubstr("output_format: given beside the output IMAGE_RAW"));
  EXPECT_THAT(Refused(Parameter("output_format", "string_param: 'gif'")),
              HasSubstr("'gif' given; allowed: png, jpeg"));
}

TEST(InferRequestTest, EveryParameterIsItsField) {
  const auto parsed = Parsed(
      Parameter("num_images", "int64_param: 3") + Parameter("sampler", "string_param: 'heun'") +
      Parameter("class_name", "string_param: 'cat'") + Parameter("guidance_rescale", "double_param: 0.5") +
      Parameter("true_cfg_scale", "int64_param: 2") + Parameter("flow_shift", "uint64_param: 3") +
      Parameter("request_id", "string_param: 'r'") + Parameter("output_format", "string_param: 'webp'") +
      Parameter("output_quality", "uint64_param: 50") + Parameter("preview_every_n_steps", "int64_param: 2") +
      Parameter("preview_method", "string_param: 'decoder'") +
      Parameter("preview_max_size", "int64_param: 32") + Parameter("timeout", "int64_param: 2500000") +
      Parameter("priority", "uint64_param: 1") +
      Parameter("triton_enable_empty_final_response", "bool_param: true"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  v1::GenerateRequest expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(num_images: 3 sampler: 'heun' class_name: 'cat' guidance_rescale: 0.5 true_cfg_scale: 2 flow_shift: 3
         request_id: 'r' output { format: IMAGE_FORMAT_WEBP quality: 50 } priority: 100
         preview { every_n_steps: 2 method: 'decoder' max_size: 32 format: IMAGE_FORMAT_WEBP })",
      &expected));
  EXPECT_EQ(parsed->request.ShortDebugString(), expected.ShortDebugString());
  EXPECT_EQ(parsed->timeout, absl::Milliseconds(2500));
}

TEST(InferRequestTest, PriorityGoesAsTritonCounts) {
  const auto priority = [](const std::string& level) {
    return Parsed(Parameter("priority", "uint64_param: " + level))->request.priority();
  };
  EXPECT_EQ(priority("0"), 0);  // the default
  EXPECT_EQ(priority("1"), 100);
  EXPECT_EQ(priority("101"), 0);
  EXPECT_EQ(priority("201"), -100);
  EXPECT_THAT(Refused(Parameter("priority", "uint64_param: 202")),
              HasSubstr("priority: 202 given; allowed: "));
}

TEST(InferRequestTest, ATimeoutOfZeroIsNone) {
  EXPECT_EQ(Parsed(Parameter("timeout", "int64_param: 0"))->timeout, absl::InfiniteDuration());
  EXPECT_THAT(Refused(Parameter("timeout", "int64_param: -1")), HasSubstr("timeout: -1 given"));
}

TEST(InferRequestTest, AParameterOfAnotherKindIsNamed) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"num_images", "string_param: '3'"},
           {"num_images", "int64_param: -3"},
           {"num_images", "uint64_param: 4294967296"},
           {"num_images", ""},
           {"sampler", "int64_param: 3"},
           {"flow_shift", "string_param: '3'"},
           {"triton_enable_empty_final_response", "int64_param: 1"},
           {"sequence_id", "int64_param: 1"}}) {
    EXPECT_THAT(Refused(Parameter(name, value)), HasSubstr(name)) << value;
  }
}

TEST(InferRequestTest, ASingleAnswerCarriesNoPreviews) {
  EXPECT_THAT(Refused(Parameter("preview_every_n_steps", "int64_param: 2"), Answer::kUnary),
              AllOf(HasSubstr("preview_every_n_steps: 2 given"), HasSubstr("ModelStreamInfer")));
}

TEST(InferRequestTest, ThereIsOneVersion) {
  EXPECT_TRUE(Parsed("model_version: '1'").ok());
  EXPECT_EQ(Parsed("model_version: '2'").status().code(), absl::StatusCode::kNotFound);
}

TEST(InferRequestTest, RefusalsOfTheRequestMadeNameTensorsAndParameters) {
  const absl::Status told = InTensorWords(InvalidFields(
      {{"num_inference_steps", "0 given"}, {"preview.method", "'x' given"}, {"sampler", "'y' given"}}));
  EXPECT_EQ(told.message(), "STEPS: 0 given; preview_method: 'x' given; sampler: 'y' given");
  google::rpc::BadRequest details;
  ASSERT_TRUE(
      details.ParseFromString(std::string(*told.GetPayload("type.googleapis.com/google.rpc.BadRequest"))));
  EXPECT_EQ(details.field_violations(0).field(), "STEPS");
  const absl::Status other = absl::NotFoundError("num_inference_steps");
  EXPECT_EQ(InTensorWords(other), other);
}

}  // namespace
}  // namespace easel

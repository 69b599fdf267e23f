#include "server/service/proto_conversion.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "server/image/parameters.h"

namespace easel {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Takes everything.
ServedModel Everything() {
  ServedModel model;
  model.name = "all";
  model.device = "cpu";
  model.dtype = "float32";
  ModelInfo& info = model.info;
  info.family = "EaselPipeline";
  info.default_width = info.default_height = 64;
  info.size_multiple = 16;
  info.fixed_size = false;
  info.default_steps = 30;
  info.default_guidance_scale = 4;
  info.default_flow_shift = 1.5;
  info.takes_prompt = info.takes_class = info.takes_negative_prompt = info.takes_guidance = true;
  info.takes_unconditional = true;
  info.max_prompt_tokens = 77;
  info.num_classes = 4;
  info.class_names = {{"Cat", "tom"}, {"dog"}, {"bat"}, {"BAT"}};
  info.samplers = {"euler", "heun"};
  info.preview_methods = {"linear", "decoder"};
  info.weight_bytes = 1000;
  return model;
}

ServedModel ClassesOnly() {
  ServedModel model = Everything();
  model.info.takes_prompt = model.info.takes_negative_prompt = model.info.takes_unconditional = false;
  return model;
}

ServedModel Plain() {  // unconditional, one size, no guidance, no previews
  ServedModel model = Everything();
  ModelInfo& info = model.info;
  info.takes_prompt = info.takes_class = info.takes_negative_prompt = info.takes_guidance = false;
  info.default_guidance_scale = 1;
  info.fixed_size = true;
  info.preview_methods.clear();
  return model;
}

ServedModel
TrueCfg() {  // as FLUX.1-schnell: guidance by the negative prompt alone, times that follow from the size
  ServedModel model = Everything();
  ModelInfo& info = model.info;
  info.takes_class = info.takes_guidance = info.takes_flow_shift = false;
  info.takes_true_cfg = true;
  info.default_guidance_scale = info.default_flow_shift = 1;
  info.max_side = 128;
  return model;
}

v1::GenerateRequest Request(const std::string& text) {
  v1::GenerateRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

absl::StatusOr<GenerationPlan> Plan(const std::string& text, const ServedModel& model = Everything(),
                                    Answer answer = Answer::kStream) {
  return ToPlan(Request(text), model, RequestLimits(), answer, /*random_seed=*/99);
}

// "field" of every violation.
std::vector<std::string> Fields(const absl::Status& status) {
  google::rpc::BadRequest details;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload.has_value()) details.ParseFromString(std::string(*payload));
  std::vector<std::string> fields;
  for (const auto& violation : details.field_violations()) {
    EXPECT_THAT(violation.description(), AllOf(HasSubstr("given"), HasSubstr("allowed")))
        << violation.field();
    fields.push_back(violation.field());
  }
  return fields;
}

struct Bad {
  const char* request;
  const char* field;
  const char* told;  // of what was given, or what is allowed
};

void ExpectRefused(const std::vector<Bad>& table, const ServedModel& model) {
  for (const Bad& bad : table) {
    const auto plan = Plan(bad.request, model);
    ASSERT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << bad.request;
    EXPECT_THAT(Fields(plan.status()), ElementsAre(bad.field)) << bad.request;
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr(bad.told)) << bad.request;
  }
}

TEST(ProtoConversionTest, RefusesFieldsOutOfRange) {
  ExpectRefused(
      {
          {"num_inference_steps: 0", "num_inference_steps", "0 given; allowed: 1 to 1000"},
          {"num_inference_steps: 1001", "num_inference_steps", "1001 given"},
          {"num_inference_steps: 4294967295", "num_inference_steps", "4294967295 given"},
          {"num_images: 0", "num_images", "1 to 16"},
          {"num_images: 17", "num_images", "17 given"},
          {"guidance_scale: nan", "guidance_scale", "nan given"},
          {"guidance_scale: inf", "guidance_scale", "0 to 100"},
          {"guidance_scale: -0.5", "guidance_scale", "-0.5 given"},
          {"guidance_scale: 100.5", "guidance_scale", "100.5 given"},
          {"guidance_rescale: -0.1", "guidance_rescale", "0 to 1"},
          {"guidance_rescale: 1.1", "guidance_rescale", "1.1 given"},
          {"guidance_rescale: nan", "guidance_rescale", "nan given"},
          {"flow_shift: 0", "flow_shift", "0.01 to 100"},
          {"flow_shift: -1", "flow_shift", "-1 given"},
          {"flow_shift: nan", "flow_shift", "nan given"},
          {"flow_shift: inf", "flow_shift", "inf given"},
          {"flow_shift: 101", "flow_shift", "101 given"},
          {"width: 0", "width", "0 given; allowed: multiples of 16"},
          {"width: 65", "width", "65 given"},
          {"height: 8", "height", "8 given"},
          {"width: 4294967280", "width", "4294967280 given"},
          {"height: 4294967280", "height", "4294967280 given"},
          {"width: 512 height: 64", "width", "512 × 64 given; allowed: width × height up to 16384"},
          {"height: 512", "height", "64 × 512 given"},
          {"sampler: 'ddpm'", "sampler", "'ddpm' given; allowed: euler, heun"},
          {"class_label: 4", "class_label", "4 given; allowed: 0 to 3"},
          {"class_name: 'fish'", "class_name", "'fish' given; allowed: Cat, dog, bat, BAT"},
          {"class_name: ''", "class_name", "'' given"},
          {"class_name: 'Bat'", "class_name", "several classes; allowed: one of class_label 2, 3"},
          {"output { format: 9 }", "output.format", "9 given; allowed: PNG, JPEG, WEBP, RAW_RGB8"},
          {"output { format: IMAGE_FORMAT_JPEG quality: 0 }", "output.quality", "1 to 100"},
          {"output { format: IMAGE_FORMAT_WEBP quality: 101 }", "output.quality", "101 given"},
          {"output { quality: 50 }", "output.quality", "50 given; allowed: none, but for JPEG and WEBP"},
          {"output { format: IMAGE_FORMAT_JPEG embed_parameters: true }", "output.embed_parameters",
           "true given"},
          {"preview { every_n_steps: 1 method: 'magic' }", "preview.method",
           "'magic' given; allowed: linear, decoder"},
          {"preview { every_n_steps: 1 max_size: 0 }", "preview.max_size", "0 given"},
          {"preview { every_n_steps: 1 format: 7 }", "preview.format", "7 given"},
          {"preview { every_n_steps: 4000000000 }", "preview.every_n_steps", "4000000000 given"},
      },
      Everything());
}

TEST(ProtoConversionTest, RefusesWhatTheModelDoesNotTake) {
  ExpectRefused({{"prompt: 'a cat'", "prompt", "allowed: class_label, class_name"},
                 {"class_label: 1 negative_prompt: 'dull'", "negative_prompt", "takes no negative prompt"},
                 {"", "class_label", "no condition given; allowed: class_label, class_name"}},
                ClassesOnly());
  ExpectRefused({{"prompt: 'a cat'", "prompt", "no condition"},
                 {"class_label: 0", "class_label", "has no classes"},
                 {"class_name: 'Cat'", "class_name", "has no classes"},
                 {"guidance_scale: 2", "guidance_scale", "takes no guidance"},
                 {"guidance_rescale: 0.5", "guidance_rescale", "takes no guidance"},
                 {"width: 128", "width", "128 given; allowed: 64"},
                 {"preview { every_n_steps: 1 }", "preview.every_n_steps", "no previews"},
                 {"true_cfg_scale: 2", "true_cfg_scale", "2 given; allowed: 1"},
                 {"preview { method: 'linear' }", "preview.method", "allowed: none"}},
                Plain());
  ExpectRefused({{"guidance_scale: 2", "guidance_scale", "takes no guidance"},
                 {"true_cfg_scale: 0.5", "true_cfg_scale", "0.5 given; allowed: 1 to 100"},
                 {"true_cfg_scale: nan", "true_cfg_scale", "nan given"},
                 {"flow_shift: 2", "flow_shift", "2 given; allowed: 1, this model takes none"},
                 {"width: 144", "width", "144 given; allowed: multiples of 16 up to 128"}},
                TrueCfg());
  ServedModel any_size = TrueCfg();
  any_size.info.size_multiple = 1;
  ExpectRefused({{"width: 129", "width", "129 given; allowed: 1 to 128, width × height"}}, any_size);
}

TEST(ProtoConversionTest, NamesEveryFieldThatIsWrong) {
  const auto plan = Plan("num_inference_steps: 0 width: 1 sampler: 'x' output { format: 9 }");
  EXPECT_THAT(Fields(plan.status()), ElementsAre("num_inference_steps", "width", "sampler", "output.format"));
}

TEST(ProtoConversionTest, ARefusedTextIsNotRepeatedAtLength) {
  const auto plan = Plan(absl::StrCat("sampler: '", std::string(99, 'x'), "éé", std::string(1000, 'x'), "'"));
  EXPECT_LT(plan.status().message().size(), 300u);
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("x…'"));  // no half of a character
}

TEST(ProtoConversionTest, TakesTextsUpToWhatAnEventCanEcho) {
  v1::GenerateRequest request;
  request.set_prompt(std::string(3'900'000, 'a'));
  EXPECT_TRUE(ToPlan(request, Everything(), RequestLimits(), Answer::kStream, 0).ok());
  request.set_negative_prompt(std::string(300'000, 'a'));
  const auto plan = ToPlan(request, Everything(), RequestLimits(), Answer::kStream, 0);
  google::rpc::BadRequest details;
  ASSERT_TRUE(details.ParseFromString(
      std::string(plan.status().GetPayload("type.googleapis.com/google.rpc.BadRequest").value())));
  EXPECT_EQ(details.field_violations(0).field(), "prompt");
}

TEST(ProtoConversionTest, FillsInTheDefaults) {
  const auto plan = Plan("");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->pictures.size(), 1u);
  const GenerationSpec& spec = plan->pictures[0];
  EXPECT_FALSE(spec.prompt.has_value() || spec.class_label.has_value());
  EXPECT_EQ(spec.width, 64);
  EXPECT_EQ(spec.height, 64);
  EXPECT_EQ(spec.num_inference_steps, 30);
  EXPECT_EQ(spec.guidance_scale, 4);
  EXPECT_EQ(spec.seed, 99u);
  EXPECT_EQ(spec.sampler, "euler");
  EXPECT_EQ(spec.flow_shift, 1.5);
  EXPECT_EQ(plan->output.format, ImageFormat::kPng);
  EXPECT_TRUE(plan->embed_parameters);
  EXPECT_EQ(plan->preview_every_n_steps, 0);
}

TEST(ProtoConversionTest, ZeroIsAValueWhereItIsLegal) {
  const auto plan = Plan("class_label: 0 guidance_scale: 0 guidance_rescale: 0 seed: 0");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->pictures[0].class_label, 0);
  EXPECT_EQ(plan->pictures[0].guidance_scale, 0);
  EXPECT_EQ(plan->pictures[0].seed, 0u);
}

TEST(ProtoConversionTest, WithoutGuidanceZeroIsNoneToo) {
  const auto plan = Plan("prompt: 'a' guidance_scale: 0", TrueCfg());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->pictures[0].guidance_scale, 1);
  EXPECT_EQ(plan->resolved.guidance_scale(), 1);
}

TEST(ProtoConversionTest, TrueCfgScaleIsGuidanceOfItsOwn) {
  const auto plan =
      Plan("prompt: 'a' negative_prompt: 'b' true_cfg_scale: 3 guidance_rescale: 0.5", TrueCfg());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->pictures[0].true_cfg_scale, 3);
  EXPECT_EQ(plan->pictures[0].guidance_scale, 1);
  EXPECT_EQ(plan->resolved.true_cfg_scale(), 3);
  EXPECT_THAT(ParametersText(*plan, 0), HasSubstr("True CFG scale: 3"));
  EXPECT_EQ(Plan("true_cfg_scale: 1 flow_shift: 1", TrueCfg())->pictures[0].true_cfg_scale, 1);
}

TEST(ProtoConversionTest, SeedsCountUpAndWrap) {
  const auto plan = Plan("num_images: 3 seed: 18446744073709551615");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->pictures[0].seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(plan->pictures[1].seed, 0u);
  EXPECT_EQ(plan->pictures[2].seed, 1u);
}

TEST(ProtoConversionTest, ClassNamesInAnyCaseAndWithBlanks) {
  EXPECT_EQ(Plan("class_name: ' TOM '")->pictures[0].class_label, 0);
  EXPECT_EQ(Plan("class_name: 'Dog'")->pictures[0].class_label, 1);
  EXPECT_EQ(Plan("class_name: 'BAT'")->pictures[0].class_label, 3);  // as written first
}

TEST(ProtoConversionTest, TheEchoSentAgainIsTheSamePlan) {
  const auto plan = Plan(
      "class_name: 'tom' negative_prompt: 'dull' num_images: 2 width: 32 guidance_rescale: 0.5 output { "
      "format: "
      "IMAGE_FORMAT_JPEG } preview { every_n_steps: 2 max_size: 8 }");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->resolved.seed(), 99u);
  EXPECT_EQ(plan->resolved.class_label(), 0u);
  EXPECT_EQ(plan->resolved.output().quality(), 90u);
  EXPECT_EQ(plan->resolved.preview().method(), "linear");
  const auto again =
      ToPlan(plan->resolved, Everything(), RequestLimits(), Answer::kStream, /*random_seed=*/5);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->resolved.SerializeAsString(), plan->resolved.SerializeAsString());
  EXPECT_EQ(again->pictures[1].seed, plan->pictures[1].seed);
}

TEST(ProtoConversionTest, SaysHowARequestIsTreatedAmongOthers) {
  auto plan = Plan("priority: -100 on_disconnect: ON_DISCONNECT_DETACH request_id: 'mine'");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->priority, -100);
  EXPECT_TRUE(plan->detach);
  EXPECT_EQ(plan->resolved.priority(), -100);
  EXPECT_EQ(plan->resolved.on_disconnect(), v1::ON_DISCONNECT_DETACH);
  EXPECT_EQ(plan->resolved.request_id(), "");  // the echo, sent again, is another request

  plan = Plan(absl::StrCat("priority: 100 request_id: '", std::string(128, 'x'), "'"));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_FALSE(plan->detach);
  EXPECT_EQ(plan->resolved.on_disconnect(), v1::ON_DISCONNECT_CANCEL);

  const std::string long_name = absl::StrCat("request_id: '", std::string(129, 'x'), "'");
  ExpectRefused({{"priority: 101", "priority", "-100 to 100"},
                 {"priority: -101", "priority", "-101"},
                 {long_name.c_str(), "request_id", "128 bytes"}},
                Everything());
  v1::GenerateRequest request;
  request.set_on_disconnect(static_cast<v1::OnDisconnect>(3));
  EXPECT_THAT(Fields(ToPlan(request, Everything(), RequestLimits(), Answer::kStream, 1).status()),
              ElementsAre("on_disconnect"));
}

TEST(ProtoConversionTest, OneAnswerCarriesNoPreviews) {
  EXPECT_THAT(Fields(Plan("preview { every_n_steps: 1 }", Everything(), Answer::kUnary).status()),
              ElementsAre("preview"));
  EXPECT_TRUE(Plan("preview { every_n_steps: 0 }", Everything(), Answer::kUnary).ok());
}

TEST(ProtoConversionTest, DefaultStepsRespectTheLimit) {
  RequestLimits limits;
  limits.max_steps = 10;
  const auto plan = ToPlan({}, Everything(), limits, Answer::kStream, 0);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->pictures[0].num_inference_steps, 10);
}

TEST(ProtoConversionTest, ThePixelLimitHoldsForAModelOfOneSizeToo) {
  RequestLimits limits;
  limits.max_pixels = 64 * 64 - 1;
  const auto plan = ToPlan({}, Plain(), limits, Answer::kStream, 0);
  EXPECT_THAT(Fields(plan.status()), ElementsAre("height"));
  EXPECT_THAT(std::string(plan.status().message()),
              HasSubstr("64 × 64 given; allowed: width × height up to 4095"));
}

TEST(ProtoConversionTest, FindsModelsByName) {
  const std::vector<ServedModel> models = {Everything(), [] {
                                             ServedModel model = Plain();
                                             model.name = "plain";
                                             return model;
                                           }()};
  EXPECT_EQ((*FindModel("", models))->name, "all");
  EXPECT_EQ((*FindModel("plain", models))->name, "plain");
  const auto missing = FindModel("other", models);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("'other' given; served are: all, plain"));
}

TEST(ProtoConversionTest, ParametersTellHowThePictureWasMade) {
  const auto plan = Plan("class_name: 'tom' num_images: 2 seed: 5");
  const auto parameters = ParseParameters(ParametersText(*plan, 1));
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  EXPECT_EQ(parameters->seed, 6u);
  EXPECT_EQ(parameters->class_label, 0u);
  EXPECT_EQ(parameters->class_name, "Cat");
  EXPECT_EQ(parameters->model, "all");
  EXPECT_EQ(parameters->guidance_scale, 4);
}

TEST(ProtoConversionTest, DescribesAModel) {
  const v1::Model model = ToProto(Everything(), RequestLimits());
  EXPECT_EQ(model.limits().max_pixels(), 4u * 64 * 64);
  EXPECT_EQ(model.limits().sizes_size(), 0);
  EXPECT_EQ(model.defaults().num_inference_steps(), 30u);
  EXPECT_FALSE(model.defaults().has_seed());
  EXPECT_THAT(model.samplers(), ElementsAre("euler", "heun"));
  ASSERT_EQ(model.classes_size(), 4);
  EXPECT_THAT(model.classes(0).names(), ElementsAre("Cat", "tom"));
  const v1::Model plain = ToProto(Plain(), RequestLimits());
  EXPECT_EQ(plain.limits().max_pixels(), 64u * 64);
  EXPECT_EQ(plain.limits().sizes(0).width(), 64u);
  EXPECT_EQ(plain.class_count(), 0u);
  EXPECT_THAT(plain.preview_methods(), IsEmpty());
}

}  // namespace
}  // namespace easel

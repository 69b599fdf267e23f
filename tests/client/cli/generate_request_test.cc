#include "client/cli/generate_request.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

TEST(BuildRequest, LeavesUnsetWhatWasNotSaid) {
  const v1::GenerateRequest request = BuildRequest({}, {});
  EXPECT_EQ(request.condition_case(), v1::GenerateRequest::CONDITION_NOT_SET);
  EXPECT_FALSE(request.has_num_inference_steps());
  EXPECT_FALSE(request.has_guidance_scale());
  EXPECT_FALSE(request.has_seed());
  EXPECT_FALSE(request.has_num_images());
  EXPECT_FALSE(request.has_preview());
  EXPECT_FALSE(request.output().has_quality());
}

TEST(BuildRequest, ZerosAreSent) {
  GenerateArguments arguments;
  arguments.guidance_scale = 0;
  arguments.seed = 0;
  arguments.class_label = 0;
  const v1::GenerateRequest request = BuildRequest(arguments, {});
  EXPECT_TRUE(request.has_guidance_scale());
  EXPECT_TRUE(request.has_seed());
  EXPECT_EQ(request.condition_case(), v1::GenerateRequest::kClassLabel);
}

TEST(BuildRequest, WordsAreOnePrompt) {
  GenerateArguments arguments;
  arguments.prompt = {"red", "apple"};
  EXPECT_EQ(BuildRequest(arguments, {}).prompt(), "red apple");
  arguments.prompt = {""};
  EXPECT_EQ(BuildRequest(arguments, {}).condition_case(), v1::GenerateRequest::kPrompt);
}

TEST(BuildRequest, SaysWhatBecomesOfIt) {
  GenerateArguments arguments;
  EXPECT_EQ(BuildRequest(arguments, {}).on_disconnect(), v1::ON_DISCONNECT_UNSPECIFIED);
  arguments.priority = -5;
  arguments.request_id = "order-17";
  arguments.detach_on_disconnect = true;
  const v1::GenerateRequest request = BuildRequest(arguments, {});
  EXPECT_EQ(request.priority(), -5);
  EXPECT_EQ(request.request_id(), "order-17");
  EXPECT_EQ(request.on_disconnect(), v1::ON_DISCONNECT_DETACH);
}

ImageParameters Like() {
  ImageParameters like;
  like.prompt = "old";
  like.negative_prompt = "blur";
  like.num_inference_steps = 12;
  like.sampler = "heun";
  like.guidance_scale = 5;
  like.guidance_rescale = 0.25;
  like.true_cfg_scale = 3;
  like.flow_shift = 2;
  like.seed = 9;
  like.width = 64;
  like.height = 32;
  like.model = "emoji";
  return like;
}

TEST(BuildRequest, LikeAsksForTheSameAgain) {
  const v1::GenerateRequest request = BuildRequest({}, Like());
  EXPECT_EQ(request.prompt(), "old");
  EXPECT_EQ(request.negative_prompt(), "blur");
  EXPECT_EQ(request.num_inference_steps(), 12u);
  EXPECT_EQ(request.sampler(), "heun");
  EXPECT_EQ(request.guidance_scale(), 5);
  EXPECT_EQ(request.guidance_rescale(), 0.25);
  EXPECT_EQ(request.true_cfg_scale(), 3);
  EXPECT_EQ(request.flow_shift(), 2);
  EXPECT_EQ(request.seed(), 9u);
  EXPECT_EQ(request.width(), 64u);
  EXPECT_EQ(request.height(), 32u);
  EXPECT_EQ(request.model(), "emoji");
}

TEST(BuildRequest, ArgumentsGoBeforeLike) {
  GenerateArguments arguments;
  arguments.class_name = "food";
  arguments.seed = 10;
  arguments.negative_prompt = "";
  const v1::GenerateRequest request = BuildRequest(arguments, Like());
  EXPECT_EQ(request.class_name(), "food");
  EXPECT_EQ(request.seed(), 10u);
  EXPECT_EQ(request.negative_prompt(), "");
  EXPECT_EQ(request.num_inference_steps(), 12u);
}

TEST(BuildRequest, LikeKnowsClassesByLabelThenName) {
  ImageParameters like;
  like.class_name = "food";
  EXPECT_EQ(BuildRequest({}, like).class_name(), "food");
  like.class_label = 3;
  EXPECT_EQ(BuildRequest({}, like).class_label(), 3u);
}

}  // namespace
}  // namespace easel

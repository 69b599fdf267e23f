// Whole round trips: client library, gRPC, service, engine, network, and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "server/image/parameters.h"
#include "server/image/png.h"
#include "tests/e2e/test_server.h"

namespace easel {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::GenerateRequest Prompt(const std::string& prompt) {
  v1::GenerateRequest request;
  request.set_model("colours");
  request.set_prompt(prompt);
  return request;
}

// The one colour of a PNG.
std::vector<int> ColourOf(const std::string& bytes) {
  const auto png = DecodePng(bytes);
  if (!png.ok()) return {};
  const std::vector<uint8_t>& rgb = png->image.rgb;
  for (size_t i = 0; i < rgb.size(); ++i) EXPECT_EQ(rgb[i], rgb[i % 3]);
  return {rgb[0], rgb[1], rgb[2]};
}

TEST(GenerationTest, RedInRedOut) {
  const auto server = Serving();
  v1::GenerateRequest request = Prompt("a red apple");
  request.set_seed(7);
  const auto response = Draw(*server, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->images_size(), 1);
  EXPECT_THAT(ColourOf(response->images(0).data()), ElementsAre(255, 0, 0));
  EXPECT_EQ(response->images(0).seed(), 7u);

  const auto parameters = ParseParameters(DecodePng(response->images(0).data())->parameters);
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  EXPECT_EQ(parameters->prompt, "a red apple");
  EXPECT_EQ(parameters->model, "colours");
  EXPECT_EQ(response->parameters().num_inference_steps(), 4u);
  EXPECT_EQ(response->accounting().steps_run(), 4u);
  EXPECT_EQ(response->accounting().device(), "cpu");
}

TEST(GenerationTest, ClassesNegativePromptsAndNothingAtAll) {
  const auto server = Serving();
  v1::GenerateRequest by_name;
  by_name.set_model("colours");
  by_name.set_class_name("Blue");
  EXPECT_THAT(ColourOf(Draw(*server, by_name)->images(0).data()), ElementsAre(0, 0, 255));
  v1::GenerateRequest nothing;
  nothing.set_model("colours");
  const std::vector<int> grey = ColourOf(Draw(*server, nothing)->images(0).data());
  ASSERT_EQ(grey.size(), 3u);
  EXPECT_NEAR(grey[0], 127, 1);
}

TEST(GenerationTest, ALongPromptIsCutAndTheReplySaysSo) {
  const auto server = Serving();
  std::string prompt = "green";
  for (int i = 0; i < 19; ++i) prompt += " leaf";
  const auto response = Draw(*server, Prompt(prompt));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(ColourOf(response->images(0).data()), ElementsAre(0, 255, 0));
  ASSERT_EQ(response->warnings_size(), 1);
  EXPECT_EQ(response->warnings(0).field(), "prompt");
  EXPECT_EQ(response->warnings(0).tokens_cut(), 4u);
}

TEST(GenerationTest, EventsComeInTheirOrder) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(6);
  request.set_num_images(2);
  request.mutable_preview()->set_every_n_steps(1);
  std::vector<std::string> kinds[3];  // of picture 0, 1, and of all
  std::vector<uint32_t> steps[2];
  std::string last;
  const auto response = server->Client()->Generate(request, [&](const v1::GenerationEvent& event) {
    const std::string kind = event.descriptor()->FindFieldByNumber(event.event_case())->name();
    const int about = event.has_image_index() ? static_cast<int>(event.image_index()) : 2;
    if (kinds[about].empty() || kinds[about].back() != kind) kinds[about].push_back(kind);
    if (event.has_progress()) steps[about].push_back(event.progress().step());
    last = kind;
  });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(last, "done");
  if (kinds[2].front() == "queued") kinds[2].erase(kinds[2].begin());
  EXPECT_THAT(kinds[2], ElementsAre("started", "done"));
  for (int picture = 0; picture < 2; ++picture) {
    EXPECT_EQ(kinds[picture].front(), "progress");
    EXPECT_THAT(kinds[picture], testing::Contains("preview"));
    EXPECT_EQ(kinds[picture].back(), "image");
    EXPECT_EQ(std::count(kinds[picture].begin(), kinds[picture].end(), "image"), 1);
    EXPECT_TRUE(std::is_sorted(steps[picture].begin(), steps[picture].end()));
    EXPECT_EQ(steps[picture].back(), 6u);
  }
}

std::vector<v1::GenerateRequest> Mixed() {
  std::vector<v1::GenerateRequest> requests;
  for (int i = 0; i < 10; ++i) {
    v1::GenerateRequest request = Staged(5 + 3 * (i % 4), static_cast<uint64_t>(i));
    if (i % 5 == 4) {
      request.clear_condition();
    } else {
      request.set_class_label(static_cast<uint32_t>(i % 3));
    }
    request.set_guidance_scale(i % 3 == 0 ? 1 : 1.5 + i);
    request.set_sampler(i % 2 == 0 ? "euler" : "heun");
    if (i % 4 == 1) request.set_num_images(2);
    if (i % 3 == 1) request.mutable_preview()->set_every_n_steps(2);
    requests.push_back(request);
  }
  requests.push_back(Prompt("yellow"));
  requests.back().set_seed(3);
  return requests;
}

std::string BytesOf(const absl::StatusOr<v1::GenerateResponse>& response) {
  EXPECT_TRUE(response.ok()) << response.status();
  std::string bytes;
  if (response.ok()) {
    for (const v1::GeneratedImage& image : response->images()) bytes += image.data();
  }
  return bytes;
}

TEST(GenerationTest, RequestsThatShareForwardsGiveTheBytesTheyGiveAlone) {
  const std::vector<v1::GenerateRequest> requests = Mixed();
  std::vector<std::string> alone;
  {
    const auto server = Serving();
    for (const v1::GenerateRequest& request : requests) alone.push_back(BytesOf(Draw(*server, request)));
  }
  TestServer::Options options;
  options.engine.max_batch_rows = 16;
  const auto server = Serving(options);
  server->gate->Hold();  // so that all come together behind the first forward
  std::vector<std::string> together(requests.size());
  std::vector<std::thread> callers;
  for (size_t i = 0; i < requests.size(); ++i) {
    callers.emplace_back([&, i] { together[i] = BytesOf(Draw(*server, requests[i])); });
  }
  server->gate->AwaitForwards(1);
  server->gate->Release();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(together, alone);
  EXPECT_THAT(server->gate->acts(), testing::Contains(testing::MatchesRegex("forward ([3-9]|1[0-6])")));
}

TEST(GenerationTest, OneAnswerIsTheStreamsPictures) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(5);
  request.set_num_images(3);
  const auto streamed = Draw(*server, request);
  grpc::ClientContext context;
  v1::GenerateResponse response;
  const auto stub = v1::ImageGeneration::NewStub(server->Channel());
  const grpc::Status status = stub->Generate(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.images_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(response.images(i).seed(), 1u + i);
    EXPECT_EQ(response.images(i).SerializeAsString(), streamed->images(i).SerializeAsString());
  }
  EXPECT_EQ(response.parameters().SerializeAsString(), streamed->parameters().SerializeAsString());
  EXPECT_EQ(response.accounting().steps_run(), 15u);
  EXPECT_FALSE(response.generation_id().empty());
}

TEST(GenerationTest, ARandomSeedIsEchoedAndDrawsTheSameAgain) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(3);
  request.clear_seed();
  const auto first = Draw(*server, request);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = Draw(*server, first->parameters());
  EXPECT_EQ(BytesOf(again), BytesOf(first));
  EXPECT_NE(BytesOf(Draw(*server, request)), BytesOf(first));  // another seed
}

TEST(GenerationTest, ListsItsModels) {
  const auto server = Serving();
  const auto models = server->Client()->ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->models_size(), 2);
  EXPECT_EQ(models->models(0).name(), "staged");
  EXPECT_EQ(models->models(1).name(), "colours");
  EXPECT_TRUE(models->models(1).takes_prompt());
  EXPECT_EQ(models->models(0).device(), "cpu");

  const auto stub = v1::ImageGeneration::NewStub(server->Channel());
  v1::GetModelRequest request;
  v1::Model model;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->GetModel(&context, request, &model).ok());
    EXPECT_EQ(model.SerializeAsString(), models->models(0).SerializeAsString());
  }
  grpc::ClientContext context;
  request.set_name("other");
  EXPECT_EQ(stub->GetModel(&context, request, &model).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace easel

// What is refused, and how: code, and details in grpc-status-details-bin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "tests/e2e/test_server.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

void ExpectField(const absl::Status& status, const std::string& field) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  google::rpc::BadRequest bad;
  ASSERT_TRUE(Has(status, &bad)) << status;
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), field);
}

TEST(RefusalTest, BadFieldsAreNamed) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(0);
  ExpectField(Draw(*server, request).status(), "num_inference_steps");
  request = Staged(2);
  request.set_width(9);
  ExpectField(Draw(*server, request).status(), "width");
  request = Staged(2);
  request.set_prompt("a cat");
  ExpectField(Draw(*server, request).status(), "prompt");
  request = Staged(2);
  request.set_prompt("\xFF\xFE");
  ExpectField(Draw(*server, request).status(), "prompt");
  EXPECT_EQ(server->log.AwaitGenerations(4).back().status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(server->gate->acts(), testing::IsEmpty());
}

TEST(RefusalTest, AnUnknownModelIsNotFound) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(2);
  request.set_model("other");
  const auto response = Draw(*server, request);
  EXPECT_EQ(response.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(response.status().message()), HasSubstr("staged, colours"));
}

TEST(RefusalTest, AFullQueueSaysWhenToTryAgain) {
  TestServer::Options options;
  options.engine.max_queue = 3;
  const auto server = Serving(options);
  server->gate->Hold();
  std::thread first([&] { EXPECT_TRUE(Draw(*server, Staged(2)).ok()); });
  server->gate->AwaitForwards(1);  // the worker is busy now, and the queue empty
  std::atomic<int> accepted = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      v1::GenerateRequest request = Staged(2);
      request.set_num_images(2);  // twice 2 do not fit into 3
      const auto response = Draw(*server, request);
      if (response.ok()) {
        ++accepted;
        return;
      }
      EXPECT_EQ(response.status().code(), absl::StatusCode::kResourceExhausted);
      google::rpc::RetryInfo retry;
      EXPECT_TRUE(Has(response.status(), &retry)) << response.status();
      EXPECT_GE(retry.retry_delay().seconds() + retry.retry_delay().nanos() * 1e-9, 0.1);
    });
  }
  server->log.AwaitGenerations(1);  // the refused one
  server->gate->Release();
  first.join();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(accepted, 1);
}

// For those who do not read google.rpc details.
TEST(RefusalTest, WhenToTryAgainIsInTheTrailingMetadataToo) {
  const TestServer server;  // starting
  const auto stub = v1::ImageGeneration::NewStub(server.Channel());
  const auto pushback = [](const grpc::ClientContext& context) {
    const auto& metadata = context.GetServerTrailingMetadata();
    const auto found = metadata.find("grpc-retry-pushback-ms");
    return found == metadata.end() ? "none" : std::string(found->second.data(), found->second.size());
  };
  grpc::ClientContext unary, stream;
  v1::ListModelsResponse models;
  EXPECT_EQ(stub->ListModels(&unary, {}, &models).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(pushback(unary), "1000");
  const auto reader = stub->GenerateStream(&stream, Staged(2));
  v1::GenerationEvent event;
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(pushback(stream), "1000");
}

TEST(RefusalTest, ADeadlineThatHasPassedIsRefused) {
  TestServer::Options options;
  options.engine.now = [] { return absl::Now() + absl::Hours(2); };
  const auto server = Serving(options);
  const auto response = server->Client()->Generate(
      Staged(2), [](const v1::GenerationEvent&) {}, absl::Hours(1));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded);
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(Has(response.status(), &info)) << response.status();
}

TEST(RefusalTest, ADeadlineThatPassesOnTheWayTellsTheEstimate) {
  std::atomic<bool> late = false;
  TestServer::Options options;
  options.engine.now = [&late] { return absl::Now() + (late ? absl::Hours(2) : absl::ZeroDuration()); };
  const auto server = Serving(options);
  server->gate->Hold();
  std::thread clock([&] {
    server->gate->AwaitForwards(1);
    server->gate->PassOne();
    late = true;
    server->gate->Release();
  });
  const auto response = server->Client()->Generate(
      Staged(50), [](const v1::GenerationEvent&) {}, absl::Hours(1));
  clock.join();
  EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(Has(response.status(), &info)) << response.status();
  EXPECT_EQ(info.metadata().at("steps_total"), "50");
  EXPECT_TRUE(info.metadata().contains("estimated_seconds"));
  EXPECT_LT(server->gate->acts().size(), 5u);  // its slot was not kept to the end
}

TEST(RefusalTest, ACallWhoseDeadlinePassesFreesItsSlot) {
  const auto server = Serving();
  const auto client = server->Client();
  ASSERT_TRUE(client->ListModels().ok());  // connected
  server->gate->Hold();
  const auto response = client->Generate(
      Staged(50), [](const v1::GenerationEvent&) {}, absl::Seconds(1));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded);
  // Whose clock is ahead decides what the server calls it.
  EXPECT_THAT(server->log.AwaitGenerations(1)[0].status.code(),
              testing::AnyOf(absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kCancelled));
  server->gate->Release();
  EXPECT_TRUE(Draw(*server, Staged(2)).ok());
  EXPECT_LT(server->gate->acts().size(), 10u);
}

TEST(RefusalTest, AFaultOfTheNetworkIsInternalAndHasAnId) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(3);
  request.set_class_label(kThrowingClass);
  const auto response = Draw(*server, request);
  EXPECT_EQ(response.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(response.status().message()),
              HasSubstr(server->log.AwaitGenerations(1)[0].generation_id));
  EXPECT_TRUE(Draw(*server, Staged(3)).ok());
}

}  // namespace
}  // namespace easel

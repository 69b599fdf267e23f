// What ImageClient tries again, and what its caller sees of it. Servers ask for waits of a millisecond.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/image_client.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/client/fake_server.h"

namespace easel {
namespace {

using ::testing::ElementsAre;

grpc::Status TryAgain(grpc::StatusCode code, absl::Duration delay = absl::Milliseconds(1)) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(delay - absl::Seconds(info.retry_delay().seconds()))));
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  return grpc::Status(code, "refused", details.SerializeAsString());
}

const grpc::Status kGone = TryAgain(grpc::StatusCode::UNAVAILABLE);
const grpc::Status kFull = TryAgain(grpc::StatusCode::RESOURCE_EXHAUSTED);

// One answer a call, in their order; the last for all others.
FakeServer::Answer InTurn(std::vector<FakeServer::Answer> answers) {
  auto next = std::make_shared<std::atomic<size_t>>(0);
  return
      [answers = std::move(answers), next](const v1::GenerateRequest& request, FakeServer::Writer* writer) {
        return answers[std::min(next->fetch_add(1), answers.size() - 1)](request, writer);
      };
}

std::string NameOf(const v1::GenerationEvent& event) {
  return event.has_image()      ? absl::StrCat("image ", event.image().index(), " ", event.image().chunk())
         : event.has_progress() ? "progress"
         : event.has_started()  ? "started"
                                : "done";
}

struct Seen {
  absl::StatusOr<v1::GenerateResponse> response;
  std::vector<std::string> events;
};

Seen Block(ImageClient& client, const v1::GenerateRequest& request, absl::Duration timeout) {
  Seen seen;
  seen.response = client.Generate(
      request, [&](const v1::GenerationEvent& event) { seen.events.push_back(NameOf(event)); }, timeout);
  return seen;
}

Seen Start(ImageClient& client, const v1::GenerateRequest& request, absl::Duration timeout) {
  Seen seen;
  absl::Notification ended;
  client.StartGenerate(
      request, timeout, "", [&](const v1::GenerationEvent& event) { seen.events.push_back(NameOf(event)); },
      [&](absl::StatusOr<v1::GenerateResponse> response) {
        seen.response = std::move(response);
        ended.Notify();
      });
  ended.WaitForNotification();
  return seen;
}

// Generate and StartGenerate keep the same promises.
class RetryTest : public ::testing::TestWithParam<decltype(&Block)> {
 protected:
  static std::unique_ptr<ImageClient> Client(const FakeServer& server, int retries = 3) {
    return *ImageClient::Create({.server = server.address(), .retries = retries});
  }
  static Seen Generate(ImageClient& client, const v1::GenerateRequest& request = {},
                       absl::Duration timeout = absl::InfiniteDuration()) {
    return GetParam()(client, request, timeout);
  }
};

TEST_P(RetryTest, WhatNoServerCouldIsTriedAgain) {
  FakeServer server(InTurn({Send({}, kGone), Send({}, kFull), Send({StartedEvent(), DoneEvent()})}));
  const Seen seen = Generate(*Client(server));
  EXPECT_TRUE(seen.response.ok()) << seen.response.status();
  EXPECT_THAT(seen.events, ElementsAre("started", "done"));
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_P(RetryTest, ABrokenStreamBeginsAgainAndEachPictureComesOnce) {
  FakeServer server(
      InTurn({Send({StartedEvent(2), ImageEvent(1, 8, "b"), ImageEvent(0, 7, "half a", false)}, kGone),
              Send({StartedEvent(2), ProgressEvent(1, 1, 2), ProgressEvent(0, 1, 2), ImageEvent(0, 7, "a"),
                    ImageEvent(1, 8, "b"), DoneEvent()})}));
  const Seen seen = Generate(*Client(server));
  ASSERT_TRUE(seen.response.ok()) << seen.response.status();
  EXPECT_THAT(seen.events, ElementsAre("started", "image 1 b", "started", "progress", "image 0 a", "done"));
  ASSERT_EQ(seen.response->images_size(), 2);
  EXPECT_EQ(seen.response->images(0).data(), "a");
  EXPECT_EQ(seen.response->images(1).data(), "b");
}

// As gRPC tells of a stream that a proxy ended because its server had died.
TEST_P(RetryTest, AStreamWithoutAStatusBrokeOff) {
  const grpc::Status removed(grpc::StatusCode::UNKNOWN, "Stream removed");
  FakeServer server(InTurn({Send({StartedEvent()}, removed), Send({StartedEvent(), DoneEvent()})}));
  EXPECT_TRUE(Generate(*Client(server)).response.ok());
  FakeServer never(Send({StartedEvent()}, removed));
  const absl::Status status = Generate(*Client(never, 0)).response.status();
  EXPECT_EQ(status, absl::UnavailableError("the stream broke off (Stream removed)"));
}

TEST_P(RetryTest, AStreamThatBreaksAfterDoneWasWhole) {
  FakeServer server(Send({StartedEvent(), ImageEvent(0, 7, "a"), DoneEvent()}, kGone));
  EXPECT_TRUE(Generate(*Client(server)).response.ok());
  EXPECT_EQ(server.requests().size(), 1u);
}

// So that the same server joins it to what it has begun, and another draws the same picture.
TEST_P(RetryTest, EveryTryIsTheSameRequestWithANameAndASeed) {
  FakeServer server(InTurn({Send({}, kGone), Send({StartedEvent()}, kGone), Send({DoneEvent()})}));
  v1::GenerateRequest request;
  request.set_prompt("red");
  ASSERT_TRUE(Generate(*Client(server), request).response.ok());
  const auto sent = server.requests();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[0].prompt(), "red");
  EXPECT_TRUE(sent[0].has_seed());
  EXPECT_NE(sent[0].request_id(), "");
  EXPECT_EQ(sent[0].SerializeAsString(), sent[1].SerializeAsString());
  EXPECT_EQ(sent[0].SerializeAsString(), sent[2].SerializeAsString());
}

TEST_P(RetryTest, TheLastTrysStatusIsTheCalls) {
  FakeServer server(Send({}, kFull));
  EXPECT_EQ(Generate(*Client(server, 2)).response.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_P(RetryTest, NoneWhereNoneIsAskedFor) {
  FakeServer server(Send({}, kGone));
  EXPECT_EQ(Generate(*Client(server, 0)).response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_P(RetryTest, WhatIsWrongStaysWrong) {
  FakeServer server(Send({}, TryAgain(grpc::StatusCode::INVALID_ARGUMENT)));
  EXPECT_EQ(Generate(*Client(server)).response.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(server.requests().size(), 1u);
}

// The server asks for a minute; the caller hears at once that this is too late.
TEST_P(RetryTest, AWaitBeyondTheDeadlineIsNotBegun) {
  FakeServer server(Send({}, TryAgain(grpc::StatusCode::UNAVAILABLE, absl::Minutes(1))));
  const Seen seen = Generate(*Client(server), {}, absl::Seconds(59));
  EXPECT_EQ(seen.response.status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(RetryTest, CancelEndsTheWait) {
  absl::Notification refused;
  FakeServer server([&](const v1::GenerateRequest&, FakeServer::Writer*) {
    if (!refused.HasBeenNotified()) refused.Notify();
    return TryAgain(grpc::StatusCode::UNAVAILABLE, absl::Minutes(1));
  });
  const auto client = Client(server);
  std::thread canceller([&] {
    refused.WaitForNotification();
    client->Cancel();
  });
  EXPECT_EQ(Generate(*client).response.status().code(), absl::StatusCode::kCancelled);
  canceller.join();
  EXPECT_EQ(server.requests().size(), 1u);  // not by the wait's end
}

TEST_P(RetryTest, ARefusalIsTriedWithTheNextServerOfSeveral) {
  FakeServer first(Send({}, kGone)), second(Send({StartedEvent(), DoneEvent()}));
  const auto client =
      *ImageClient::Create({.server = absl::StrCat("ipv4:", first.address(), ",", second.address())});
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Generate(*client).response.ok());
  EXPECT_EQ(second.requests().size(), 4u);
}

INSTANTIATE_TEST_SUITE_P(Both, RetryTest, ::testing::Values(&Block, &Start), [](const auto& info) {
  return info.param == &Block ? "Generate" : "StartGenerate";
});

TEST(ImageClientRetry, CallsTakeTurnsBetweenServers) {
  FakeServer first(Send({DoneEvent()})), second(Send({DoneEvent()}));
  const auto client = *ImageClient::Create(
      {.server = absl::StrCat("ipv4:", first.address(), ",", second.address()), .retries = 0});
  // The first calls may find one of them connected alone.
  while (first.requests().empty() || second.requests().empty()) {
    ASSERT_TRUE(Block(*client, {}, absl::InfiniteDuration()).response.ok());
  }
  const size_t before = first.requests().size();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Block(*client, {}, absl::InfiniteDuration()).response.ok());
  EXPECT_EQ(first.requests().size(), before + 2);
}

TEST(ImageClientRetry, AServerThatDoesNotServeGetsNoTurn) {
  FakeServer drains(Send({DoneEvent()})), serves(Send({DoneEvent()}));
  drains.health()->SetServingStatus("easel.v1.ImageGeneration", false);
  const auto client = *ImageClient::Create(
      {.server = absl::StrCat("ipv4:", drains.address(), ",", serves.address()), .retries = 0});
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Block(*client, {}, absl::InfiniteDuration()).response.ok());
  EXPECT_EQ(drains.requests().size(), 0u);
}

TEST(ImageClientRetry, AServerThatIsGoneIsPassedOver) {
  FakeServer stays(Send({DoneEvent()}));
  auto goes = std::make_unique<FakeServer>(Send({DoneEvent()}));
  const auto client =
      *ImageClient::Create({.server = absl::StrCat("ipv4:", goes->address(), ",", stays.address())});
  ASSERT_TRUE(Block(*client, {}, absl::InfiniteDuration()).response.ok());
  goes.reset();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Block(*client, {}, absl::InfiniteDuration()).response.ok());
}

TEST(ImageClientRetry, OtherCallsAreTriedAgainToo) {
  FakeServer server;
  std::atomic<int> calls = 0;
  server.set_detached([&](const std::string& id, v1::Generation* generation) {
    generation->set_id(id.empty() ? "g1" : id);
    return calls++ % 2 == 0 ? kGone : grpc::Status::OK;
  });
  server.set_watch(InTurn({Send({StartedEvent()}, kGone), Send({StartedEvent(), DoneEvent()})}));
  const auto client = *ImageClient::Create({.server = server.address()});
  EXPECT_TRUE(client->Submit({}).ok());
  EXPECT_TRUE(client->Get("g1").ok());
  EXPECT_TRUE(client->CancelGeneration("g1").ok());
  EXPECT_TRUE(client->Watch("g1", [](const v1::GenerationEvent&) {}).ok());
  EXPECT_THAT(server.asked(),
              ElementsAre("get g1", "get g1", "cancel g1", "cancel g1", "watch g1", "watch g1"));
  const auto submitted = server.requests();
  ASSERT_EQ(submitted.size(), 2u);
  EXPECT_TRUE(submitted[0].has_seed());
  EXPECT_NE(submitted[0].request_id(), "");
  EXPECT_EQ(submitted[0].SerializeAsString(), submitted[1].SerializeAsString());
}

}  // namespace
}  // namespace easel

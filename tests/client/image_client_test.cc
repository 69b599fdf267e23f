#include "client/image_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/client/fake_server.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void Ignore(const v1::GenerationEvent&) {}

// StartGenerate, and its end.
absl::StatusOr<v1::GenerateResponse> Started(ImageClient& client, const v1::GenerateRequest& request,
                                             const ImageClient::OnEvent& on_event,
                                             const std::string& tenant = "") {
  absl::Notification ended;
  absl::StatusOr<v1::GenerateResponse> result;
  client.StartGenerate(request, absl::InfiniteDuration(), tenant, on_event,
                       [&](absl::StatusOr<v1::GenerateResponse> response) {
                         result = std::move(response);
                         ended.Notify();
                       });
  ended.WaitForNotification();
  return result;
}

TEST(ImageClient, JoinsPiecesAndGivesTheEventsAsTheyCome) {
  FakeServer server(Send({StartedEvent(2), ProgressEvent(0, 1, 2), ImageEvent(1, 8, "whole"),
                          ImageEvent(0, 7, "in ", false), ImageEvent(0, 7, "three ", false),
                          ImageEvent(0, 7, "pieces"), DoneEvent()}));
  std::vector<std::string> seen;
  v1::GenerateRequest request;
  request.set_prompt("red");
  const auto response = server.Client()->Generate(request, [&](const v1::GenerationEvent& event) {
    seen.push_back(event.has_image()      ? event.image().chunk()
                   : event.has_progress() ? "progress"
                   : event.has_started()  ? "started"
                                          : "done");
  });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(seen, ElementsAre("started", "progress", "whole", "in three pieces", "done"));
  ASSERT_EQ(response->images_size(), 2);
  EXPECT_EQ(response->images(0).data(), "in three pieces");
  EXPECT_EQ(response->images(0).seed(), 7u);
  EXPECT_EQ(response->images(1).data(), "whole");
  EXPECT_EQ(response->images(1).index(), 1u);
  EXPECT_EQ(response->generation_id(), "g1");
  EXPECT_EQ(response->parameters().num_images(), 2u);
  EXPECT_EQ(response->accounting().steps_run(), 2u);
  EXPECT_EQ(server.requests()[0].prompt(), "red");
}

// Many pieces under gRPC's limit of 4 MiB a message make a picture over it.
TEST(ImageClient, PicturesMayBeLargerThanAMessage) {
  const std::string piece(3 << 20, 'x');
  FakeServer server(Send({StartedEvent(), ImageEvent(0, 7, piece, false), ImageEvent(0, 7, piece, false),
                          ImageEvent(0, 7, "end"), DoneEvent()}));
  const auto response = server.Client()->Generate({}, Ignore);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->images(0).data(), piece + piece + "end");
}

TEST(ImageClient, AStreamThatEndsEarlyIsAnError) {
  for (const auto& events :
       {std::vector{StartedEvent()}, {StartedEvent(), ImageEvent(0, 7, "half", false), DoneEvent()}}) {
    FakeServer server(Send(events));
    EXPECT_EQ(server.Client()->Generate({}, Ignore).status().code(), absl::StatusCode::kInternal);
  }
}

TEST(ImageClient, ErrorsKeepTheirDetails) {
  google::rpc::BadRequest bad;
  bad.add_field_violations()->set_field("width");
  google::rpc::Status details;
  details.add_details()->PackFrom(bad);
  FakeServer server(Send(
      {}, grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a field is wrong", details.SerializeAsString())));
  const absl::Status status = server.Client()->Generate({}, Ignore).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "a field is wrong");
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  ASSERT_TRUE(payload.has_value());
  google::rpc::BadRequest received;
  ASSERT_TRUE(received.ParseFromString(std::string(*payload)));
  EXPECT_EQ(received.field_violations(0).field(), "width");
}

TEST(ImageClient, CancelEndsTheCallThatRuns) {
  FakeServer server(SendWithoutEnd({StartedEvent()}));
  const auto client = server.Client();
  const auto response = client->Generate({}, [&](const v1::GenerationEvent&) { client->Cancel(); });
  EXPECT_EQ(response.status().code(), absl::StatusCode::kCancelled);
}

TEST(ImageClient, CancelHoldsForCallsToCome) {
  FakeServer server(Send({StartedEvent(), DoneEvent()}));
  const auto client = server.Client();
  client->Cancel();
  EXPECT_EQ(client->Generate({}, Ignore).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(client->ListModels().status().code(), absl::StatusCode::kCancelled);
}

TEST(ImageClient, DeadlineEndsTheCall) {
  FakeServer server(SendWithoutEnd({StartedEvent()}));
  EXPECT_EQ(server.Client()->Generate({}, Ignore, absl::Milliseconds(50)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(ImageClient, SaysWhenNobodyAnswers) {
  std::string address;
  {
    FakeServer server;
    address = server.address();
  }
  const auto client = *ImageClient::Create({.server = address, .retries = 0});
  const absl::Status status = client->Generate({}, Ignore).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no server answers at " + address));
  EXPECT_TRUE(status.GetPayload(ImageClient::kNoServerPayload).has_value());
}

TEST(ImageClient, AServerThatIsStartingIsSomebody) {
  FakeServer server(Send({}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "loading")));
  const absl::Status status = server.Client()->Generate({}, Ignore).status();
  EXPECT_EQ(status.message(), "loading");
  EXPECT_FALSE(status.GetPayload(ImageClient::kNoServerPayload).has_value());
}

TEST(ImageClient, SendsItsKey) {
  FakeServer server(Send({StartedEvent(), DoneEvent()}));
  ASSERT_TRUE(server.Client("secret")->Generate({}, Ignore).ok());
  EXPECT_THAT(server.authorizations(), ElementsAre("Bearer secret"));
  ASSERT_TRUE(server.Client()->Generate({}, Ignore).ok());
  EXPECT_EQ(server.authorizations().size(), 1u);
}

TEST(ImageClient, SendsItsTenantOrTheCallsOwn) {
  FakeServer server(Send({StartedEvent(), DoneEvent()}));
  const auto client = server.Client("", "shop");
  ASSERT_TRUE(client->Generate({}, Ignore).ok());
  ASSERT_TRUE(Started(*client, {}, Ignore, "other").ok());
  EXPECT_THAT(server.metadata("x-easel-tenant"), ElementsAre("shop", "other"));
}

TEST(ImageClient, AStartedGenerationComesToTheSameAsABlockingOne) {
  FakeServer server(Send({StartedEvent(), ProgressEvent(0, 1, 2), ImageEvent(0, 7, "in ", false),
                          ImageEvent(0, 7, "pieces"), DoneEvent()}));
  const auto client = server.Client();
  std::vector<std::string> seen;
  const auto response = Started(*client, {}, [&](const v1::GenerationEvent& event) {
    seen.push_back(event.has_image() ? event.image().chunk() : event.has_progress() ? "progress" : "other");
  });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(seen, ElementsAre("other", "progress", "in pieces", "other"));
  EXPECT_EQ(response->images(0).data(), "in pieces");
  EXPECT_EQ(response->accounting().steps_run(), 2u);
}

TEST(ImageClient, CancelEndsStartedGenerationsToo) {
  FakeServer server(SendWithoutEnd({StartedEvent()}));
  const auto client = server.Client();
  EXPECT_FALSE(client->cancelled());
  const auto response = Started(*client, {}, [&](const v1::GenerationEvent&) { client->Cancel(); });
  EXPECT_EQ(response.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(client->cancelled());
}

TEST(ImageClient, WatchGivesAGenerationsEventsAndPictures) {
  FakeServer server;
  server.set_watch(Send({StartedEvent(), ImageEvent(0, 7, "PNG"), DoneEvent()}));
  const auto response = server.Client()->Watch("g1", Ignore);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->images(0).data(), "PNG");
  EXPECT_THAT(server.asked(), ElementsAre("watch g1"));
}

// Over gRPC's default limit of 4 MiB a message.
TEST(ImageClient, GetBringsPicturesOfAnySize) {
  FakeServer server;
  server.set_detached([](const std::string& id, v1::Generation* generation) {
    generation->set_id(id);
    generation->add_images()->set_data(std::string(5 << 20, 'x'));
    return grpc::Status::OK;
  });
  const auto generation = server.Client()->Get("g1");
  ASSERT_TRUE(generation.ok()) << generation.status();
  EXPECT_EQ(generation->images(0).data().size(), 5u << 20);
}

TEST(ImageClient, NamesACertificateFileThatCannotBeRead) {
  EXPECT_THAT(std::string(ImageClient::Create({.tls_ca = "/no/such.pem"}).status().message()),
              HasSubstr("/no/such.pem"));
}

TEST(ImageClient, TellsHealth) {
  FakeServer server;
  const auto client = server.Client();
  EXPECT_TRUE(*client->IsServing(""));
  server.health()->SetServingStatus("easel.v1.ImageGeneration", false);
  EXPECT_FALSE(*client->IsServing("easel.v1.ImageGeneration"));
  EXPECT_EQ(client->IsServing("no.such.Service").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace easel

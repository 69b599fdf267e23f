// Clients that go, read slowly or watch; the server's start and stop.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <thread>

#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/image/png.h"
#include "tests/e2e/test_server.h"

namespace easel {
namespace {

using Health = ::grpc::health::v1::HealthCheckResponse;

TEST(LifecycleTest, ADroppedStreamFreesItsSlotAndChangesNobodyElse) {
  const auto alone = Draw(*Serving(), Staged(6, 2));
  ASSERT_TRUE(alone.ok()) << alone.status();

  const auto server = Serving();
  server->gate->Hold();
  const auto leaving = server->Client();
  std::thread leaver([&] {
    const auto response = leaving->Generate(Staged(500), [](const v1::GenerationEvent&) {});
    EXPECT_EQ(response.status().code(), absl::StatusCode::kCancelled);
  });
  server->gate->AwaitForwards(1);
  absl::StatusOr<v1::GenerateResponse> staying;
  std::thread stayer([&] { staying = Draw(*server, Staged(6, 2)); });
  server->gate->PassOne();
  leaving->Cancel();
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].status.code(), absl::StatusCode::kCancelled);
  server->gate->Release();
  leaver.join();
  stayer.join();
  ASSERT_TRUE(staying.ok()) << staying.status();
  EXPECT_EQ(staying->images(0).data(), alone->images(0).data());
  EXPECT_LT(server->gate->acts().size(), 20u);  // of 500
}

TEST(LifecycleTest, AReaderThatDoesNotReadStallsNobody) {
  const auto server = Serving();
  grpc::ChannelArguments small;  // so that what is not read stays with the server
  small.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const auto stub = v1::ImageGeneration::NewStub(server->Channel(small));
  constexpr int kSteps = 500;
  v1::GenerateRequest request = Staged(kSteps);
  request.set_num_images(2);
  request.mutable_preview()->set_every_n_steps(1);
  request.mutable_preview()->set_format(v1::IMAGE_FORMAT_RAW_RGB8);
  grpc::ClientContext context;
  const auto reader = stub->GenerateStream(&context, request);

  server->gate->AwaitForwards(kSteps);  // the worker goes on
  EXPECT_TRUE(Draw(*server, Staged(6)).ok());

  v1::GenerationEvent event;
  int events = 0, images = 0;
  bool done = false;
  while (reader->Read(&event)) {
    ++events;
    if (event.has_image()) {
      ++images;
      EXPECT_TRUE(DecodePng(event.image().chunk()).ok());
    }
    done = event.has_done();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(images, 2);
  EXPECT_TRUE(done);
  EXPECT_LT(events, 2 * 2 * kSteps);  // older previews and progress were replaced
}

TEST(LifecycleTest, HealthFollowsTheServer) {
  TestServer server;
  const auto client = server.Client();
  const std::string service = v1::ImageGeneration::service_full_name();
  EXPECT_FALSE(*client->IsServing(""));
  EXPECT_FALSE(*client->IsServing(service));
  const auto early = Draw(server, Staged(2));
  EXPECT_EQ(early.status().code(), absl::StatusCode::kUnavailable);
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(Has(early.status(), &retry)) << early.status();
  EXPECT_EQ(client->ListModels().status().code(), absl::StatusCode::kUnavailable);

  server.Serve();
  EXPECT_TRUE(*client->IsServing(""));
  EXPECT_TRUE(*client->IsServing(service));
  EXPECT_TRUE(Draw(server, Staged(2)).ok());
}

// Blocks until health says NOT_SERVING.
void AwaitNotServing(const TestServer& server) {
  const auto stub = ::grpc::health::v1::Health::NewStub(server.Channel());
  grpc::ClientContext context;
  ::grpc::health::v1::HealthCheckRequest request;
  Health response;
  const auto reader = stub->Watch(&context, request);
  while (reader->Read(&response) && response.status() != Health::NOT_SERVING) {
  }
  context.TryCancel();
  reader->Finish();
}

TEST(LifecycleTest, DrainingFinishesWhatRunsAndTakesNothingNew) {
  const auto server = Serving();
  server->gate->Hold();
  absl::StatusOr<v1::GenerateResponse> running;
  std::thread caller([&] { running = Draw(*server, Staged(5)); });
  server->gate->AwaitForwards(1);
  std::thread drain([&] { server->app->Drain(absl::InfiniteFuture()); });
  AwaitNotServing(*server);
  const auto refused = Draw(*server, Staged(2));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(Has(refused.status(), &retry)) << refused.status();
  server->gate->Release();
  caller.join();
  EXPECT_TRUE(running.ok()) << running.status();
  drain.join();
}

// Not CANCELLED, which is what gRPC says once its server is shut down, and which nobody tries again.
TEST(LifecycleTest, WhoComesAfterADrainIsToldThatItIsUnavailable) {
  const auto server = Serving();
  const auto client = server->Client();
  ASSERT_TRUE(client->ListModels().ok());
  server->app->Drain(absl::InfiniteFuture());
  const auto refused = client->Generate(Staged(2), [](const v1::GenerationEvent&) {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable) << refused.status();
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(Has(refused.status(), &retry)) << refused.status();
}

TEST(LifecycleTest, AModelWhoseLastDeviceIsLostIsNotServing) {
  const auto server = Serving();
  const auto client = server->Client();
  const std::string service = v1::ImageGeneration::service_full_name();
  EXPECT_TRUE(*client->IsServing(service + "/staged"));
  v1::GenerateRequest fatal = Staged(2);
  fatal.set_class_label(kDeviceLosingClass);
  for (const v1::GenerateRequest& request : {fatal, Staged(2)}) {
    const auto response = Draw(*server, request);
    EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << response.status();
    google::rpc::RetryInfo retry;
    EXPECT_TRUE(Has(response.status(), &retry)) << response.status();
    EXPECT_FALSE(*client->IsServing(service + "/staged"));
  }
  // Both models of this server are on the one device.
  EXPECT_FALSE(*client->IsServing(service + "/colours"));
  EXPECT_FALSE(*client->IsServing(service));
  EXPECT_FALSE(*client->IsServing(""));
  server->app->Drain(absl::InfiniteFuture());
}

TEST(LifecycleTest, AServerThatLostOneOfTwoWorkersServesOn) {
  TestServer::Options options;
  options.layout = {.workers = 2, .threads = 1};
  const auto server = Serving(options);
  v1::GenerateRequest fatal = Staged(2);
  fatal.set_class_label(kDeviceLosingClass);
  EXPECT_EQ(Draw(*server, fatal).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(
      *server->Client()->IsServing(std::string(v1::ImageGeneration::service_full_name()) + "/staged"));
  EXPECT_TRUE(Draw(*server, Staged(2)).ok());
}

TEST(LifecycleTest, WhatIsNotDoneByTheDrainsDeadlineIsUnavailable) {
  const auto server = Serving();
  server->gate->Hold();
  absl::StatusOr<v1::GenerateResponse> running;
  std::thread caller([&] { running = Draw(*server, Staged(1000)); });
  server->gate->AwaitForwards(1);
  std::thread drain([&] { server->app->Drain(absl::InfinitePast()); });
  AwaitNotServing(*server);
  server->gate->Release();
  caller.join();
  drain.join();
  EXPECT_EQ(running.status().code(), absl::StatusCode::kUnavailable) << running.status();
}

TEST(LifecycleTest, CutShortEndsADrainAtOnce) {
  const auto server = Serving();
  server->gate->Hold();
  std::thread caller([&] { EXPECT_FALSE(Draw(*server, Staged(1000)).ok()); });
  server->gate->AwaitForwards(1);
  std::thread drain([&] { server->app->Drain(absl::InfiniteFuture()); });
  AwaitNotServing(*server);
  server->app->CutShort();
  caller.join();
  server->gate->Release();
  drain.join();
  EXPECT_LT(server->gate->acts().size(), 1000u);
}

// Not "CANCELLED: the caller has gone", which a Shutdown before the job's own end would make of it.
TEST(LifecycleTest, WhoIsCutShortIsToldSoAndSoIsTheLog) {
  constexpr int kNeverDone = 1'000'000;
  TestServer::Options options;
  options.app.limits.max_steps = kNeverDone;
  const auto server = Serving(options);
  server->gate->Hold();
  absl::StatusOr<v1::GenerateResponse> running;
  std::thread caller([&] { running = Draw(*server, Staged(kNeverDone)); });
  server->gate->AwaitForwards(1);
  std::thread drain([&] { server->app->Drain(absl::InfiniteFuture()); });
  AwaitNotServing(*server);
  std::thread cut([&] { server->app->CutShort(); });
  server->gate->Release();
  caller.join();
  cut.join();
  drain.join();
  EXPECT_EQ(running.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(running.status().message(), "the server is stopping");
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].status, running.status());
}

TEST(LifecycleTest, AnAddressInUseIsAnError) {
  TestServer::Options with_metrics;
  with_metrics.app.metrics_listen = Address{"127.0.0.1", 0};
  const auto server = Serving(with_metrics);
  App::Options options;
  options.listen = *Address::Parse(server->app->address());
  const auto second = App::Listen(options);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr(server->app->address()));
  options.listen.port = 0;
  options.metrics_listen = *Address::Parse(server->app->metrics_address());
  const auto third = App::Listen(options);
  ASSERT_FALSE(third.ok());
  EXPECT_THAT(std::string(third.status().message()), testing::HasSubstr(server->app->metrics_address()));
  for (const auto& status : {second.status(), third.status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  }
}

TEST(LifecycleTest, AnAddressThatIsNotOursIsAMistakeAndNotInUse) {
  for (const char* host : {"203.0.113.7", "no-such-host.invalid"}) {
    for (const bool metrics : {false, true}) {
      App::Options options;
      options.listen = {metrics ? "127.0.0.1" : host, 0};
      if (metrics) options.metrics_listen = Address{host, 0};
      const auto opened = App::Listen(options);
      EXPECT_EQ(opened.status().code(), absl::StatusCode::kInvalidArgument) << opened.status();
      EXPECT_THAT(std::string(opened.status().message()),
                  testing::AllOf(testing::HasSubstr(host),
                                 testing::HasSubstr(metrics ? "--metrics-listen" : "--listen")));
    }
  }
}

// What server reflection says when asked for the services.
std::string AskForServices(const TestServer& server) {
  grpc::GenericStub stub(server.Channel());
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  grpc::ClientContext context;
  const auto call =
      stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  std::string answer;
  if (await()) {
    grpc::Slice list_services("\x3A\x01*");
    call->Write(grpc::ByteBuffer(&list_services, 1), nullptr);
    grpc::ByteBuffer bytes;
    if (await()) {
      call->Read(&bytes, nullptr);
      grpc::Slice slice;
      if (await() && bytes.DumpToSingleSlice(&slice).ok()) {
        answer.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
  }
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  await();
  return answer;
}

TEST(LifecycleTest, ReflectionWhereItIsAskedFor) {
  TestServer::Options options;
  options.app.reflection = true;
  EXPECT_THAT(AskForServices(*Serving(options)), testing::HasSubstr("easel.v1.ImageGeneration"));
  EXPECT_EQ(AskForServices(*Serving()), "");
}

}  // namespace
}  // namespace easel

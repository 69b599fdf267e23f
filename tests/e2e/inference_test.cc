// The Open Inference Protocol by its own stub: single answers, and what it shares with the rest of the
// server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "server/image/png.h"
#include "tests/e2e/inference_client.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

TEST(InferenceTest, AnInferenceIsThePictureThatGenerateDraws) {
  const auto server = Serving();
  inference::ModelInferResponse response;
  ASSERT_TRUE(CallInfer(*server, Infer(4, 7, "mine"), &response).ok());
  EXPECT_EQ(Picture(response), Drawn(4, 7));
  EXPECT_EQ(response.id(), "mine");
  EXPECT_EQ(response.model_name(), "staged");
  EXPECT_EQ(Raw(response, "SEED"), std::string("\x07\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(Raw(response, "STEP"), std::string("\x04\0\0\0", 4));
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].rpc, "ModelInfer");
}

TEST(InferenceTest, PixelsAreThoseOfTheFile) {
  const auto server = Serving();
  InferRequestMessage request = Infer(3);
  (*request.mutable_parameters())["num_images"].set_int64_param(2);
  request.add_outputs()->set_name("IMAGE_RAW");
  inference::ModelInferResponse alone;
  ASSERT_TRUE(CallInfer(*server, request, &alone).ok());
  EXPECT_THAT(alone.outputs(0).shape(), testing::ElementsAre(2, kStagedSize, kStagedSize, 3));
  request.add_outputs()->set_name("IMAGE");
  inference::ModelInferResponse both;
  ASSERT_TRUE(CallInfer(*server, request, &both).ok());
  EXPECT_EQ(Raw(both, "IMAGE_RAW"), Raw(alone, "IMAGE_RAW"));
  const auto first = DecodePng(Drawn(3));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Raw(alone, "IMAGE_RAW").substr(0, first->image.rgb.size()),
            std::string(first->image.rgb.begin(), first->image.rgb.end()));
}

TEST(InferenceTest, CancellingAnInferenceStopsItsWorkAtTheNextStep) {
  const auto server = Serving();
  server->gate->Hold();
  grpc::ClientContext context;
  std::thread caller([&] {
    inference::ModelInferResponse response;
    const auto stub = inference::GRPCInferenceService::NewStub(server->Channel());
    EXPECT_EQ(stub->ModelInfer(&context, Infer(500), &response).error_code(), grpc::StatusCode::CANCELLED);
  });
  server->gate->AwaitForwards(1);
  context.TryCancel();
  caller.join();
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].status.code(), absl::StatusCode::kCancelled);
  server->gate->Release();
  EXPECT_TRUE(Draw(*server, Staged(3)).ok());
  EXPECT_LT(server->gate->acts().size(), 50u);
}

TEST(InferenceTest, BytesThatAreNoRequestAreRefusedNotDropped) {
  const auto server = Serving();
  InferRequestMessage request = Infer(2);
  request.mutable_inputs(0)->set_datatype("BYTES");
  request.mutable_inputs(0)->set_name("PROMPT");
  request.mutable_inputs(0)->mutable_contents()->Clear();
  request.mutable_inputs(0)->mutable_contents()->add_bytes_contents("\xc3\x28");
  inference::ModelInferResponse response;
  const grpc::Status status = CallInfer(*server, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("PROMPT: the text given is not valid UTF-8"));
}

TEST(InferenceTest, DrainingFinishesWhatRunsAndTakesNothingNew) {
  const auto server = Serving();
  server->gate->Hold();
  Stream client(*server);
  client.Open();
  client.stream->Write(Infer(5, 1, "running"));
  server->gate->AwaitForwards(1);
  std::thread drain([&] { server->app->Drain(absl::InfiniteFuture()); });
  const auto health = server->Client();
  const std::string service = inference::GRPCInferenceService::service_full_name();
  while (*health->IsServing(service)) {
  }
  client.stream->Write(Infer(5, 1, "new"));
  StreamResponse response;
  ASSERT_TRUE(client.stream->Read(&response));
  EXPECT_EQ(response.infer_response().id(), "new");
  EXPECT_THAT(response.error_message(), HasSubstr("UNAVAILABLE: "));
  server->gate->Release();
  ASSERT_TRUE(client.stream->Read(&response));
  EXPECT_EQ(response.infer_response().id(), "running");
  EXPECT_TRUE(IsFinal(response)) << response.error_message();
  drain.join();
  client.stream->WritesDone();
  client.ReadAll();
  client.stream->Finish();
}

TEST(InferenceTest, ReadinessAndHealthFollowTheServerAndItsModels) {
  TestServer server;
  const auto stub = inference::GRPCInferenceService::NewStub(server.Channel());
  const auto health = server.Client();
  const std::string service = inference::GRPCInferenceService::service_full_name();
  const auto told = [&] {
    inference::ServerLiveResponse live;
    inference::ServerReadyResponse ready;
    inference::ModelReadyResponse staged, unknown, version;
    const auto call = [&](auto method, const auto& request, auto* response) {
      grpc::ClientContext context;
      EXPECT_TRUE((stub.get()->*method)(&context, request, response).ok());
    };
    using Stub = inference::GRPCInferenceService::Stub;
    call(&Stub::ServerLive, inference::ServerLiveRequest(), &live);
    call(&Stub::ServerReady, inference::ServerReadyRequest(), &ready);
    inference::ModelReadyRequest request;
    request.set_name("nobody");
    call(&Stub::ModelReady, request, &unknown);
    request.set_name("staged");
    call(&Stub::ModelReady, request, &staged);
    request.set_version("2");
    call(&Stub::ModelReady, request, &version);
    EXPECT_TRUE(live.live());
    EXPECT_FALSE(unknown.ready());
    EXPECT_FALSE(version.ready());
    return absl::StrCat(ready.ready(), staged.ready(), *health->IsServing(service));
  };
  EXPECT_EQ(told(), "000");
  inference::ModelMetadataResponse metadata;
  grpc::ClientContext early;
  EXPECT_EQ(stub->ModelMetadata(&early, {}, &metadata).error_code(), grpc::StatusCode::UNAVAILABLE);
  server.Serve();
  EXPECT_EQ(told(), "111");
  EXPECT_TRUE(*health->IsServing(service + "/staged"));

  InferRequestMessage fatal = Infer(2);
  fatal.mutable_inputs(0)->mutable_contents()->set_int64_contents(0, kDeviceLosingClass);
  inference::ModelInferResponse response;
  EXPECT_EQ(CallInfer(server, fatal, &response).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(told(), "000");
  inference::RepositoryIndexResponse index;
  grpc::ClientContext context;
  ASSERT_TRUE(stub->RepositoryIndex(&context, {}, &index).ok());
  EXPECT_EQ(index.models(0).state(), "UNAVAILABLE");
  server.app->Drain(absl::InfiniteFuture());
}

TEST(InferenceTest, TenantsAreThoseOfTheOtherService) {
  TestServer::Options options;
  options.app.trust_tenant_header = true;
  const auto server = Serving(options);
  Stream client(*server);
  client.context.AddMetadata("x-easel-tenant", "them");
  client.Open();
  client.stream->Write(Infer(2));
  client.stream->WritesDone();
  client.ReadAll();
  EXPECT_TRUE(client.stream->Finish().ok());
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].tenant, "them");
}

}  // namespace
}  // namespace easel

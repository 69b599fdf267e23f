// ModelStreamInfer: many requests on one stream, previews, failures, who cancels and who does not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/image/png.h"
#include "server/inference/stream_reactor.h"
#include "tests/e2e/inference_client.h"

namespace easel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST(InferenceStreamTest, AStreamHasPreviewsThenTheFinalResponse) {
  const auto server = Serving();
  server->gate->Hold();
  Stream client(*server);
  client.Open();
  client.stream->Write(WithPreviews(Infer(4, 1, "a")));
  server->gate->AwaitForwards(1);
  for (int step = 1; step <= 3; ++step) {
    server->gate->PassOne();
    StreamResponse preview;
    ASSERT_TRUE(client.stream->Read(&preview));
    EXPECT_FALSE(IsFinal(preview));
    EXPECT_EQ(preview.infer_response().id(), "a");
    EXPECT_EQ(Raw(preview.infer_response(), "STEP"), std::string({static_cast<char>(step), 0, 0, 0}));
    EXPECT_TRUE(DecodePng(Picture(preview.infer_response())).ok());
  }
  server->gate->Release();
  client.stream->WritesDone();
  const auto rest = client.ReadAll();
  EXPECT_TRUE(client.stream->Finish().ok());
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_TRUE(IsFinal(rest[0]));
  EXPECT_EQ(rest[0].infer_response().id(), "a");
  EXPECT_EQ(Picture(rest[0].infer_response()), Drawn(4));
}

TEST(InferenceStreamTest, PreviewsWithPixelsAndFilesAreDecodedToo) {
  const auto server = Serving();
  Stream client(*server);
  client.Open();
  InferRequestMessage request = WithPreviews(Infer(3, 1, "a"));
  for (const char* name : {"IMAGE", "IMAGE_RAW"}) request.add_outputs()->set_name(name);
  client.stream->Write(request);
  client.stream->WritesDone();
  for (const StreamResponse& response : client.ReadAll()) {
    const auto file = DecodePng(Picture(response.infer_response()));
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(Raw(response.infer_response(), "IMAGE_RAW"),
              std::string(file->image.rgb.begin(), file->image.rgb.end()));
  }
  EXPECT_TRUE(client.stream->Finish().ok());
}

TEST(InferenceStreamTest, RequestsOfOneStreamShareForwardsAndAnswerByTheirIds) {
  const auto server = Serving();
  server->gate->Hold();
  Stream client(*server);
  client.Open();
  client.stream->Write(Infer(40, 1, "long"));
  server->gate->AwaitForwards(1);
  for (const char* id : {"b", "c"}) client.stream->Write(Infer(3, 2, id));
  // Half-closed, with all three under way.
  client.stream->WritesDone();
  server->gate->Release();
  const auto all = client.ReadAll();
  EXPECT_TRUE(client.stream->Finish().ok());
  std::map<std::string, std::string> pictures;
  for (const StreamResponse& response : all) {
    EXPECT_TRUE(IsFinal(response)) << response.error_message();
    pictures[response.infer_response().id()] = Picture(response.infer_response());
  }
  ASSERT_EQ(pictures.size(), 3u);
  EXPECT_EQ(pictures["long"], Drawn(40, 1));
  EXPECT_EQ(pictures["b"], Drawn(3, 2));
  EXPECT_EQ(pictures["c"], pictures["b"]);
}

TEST(InferenceStreamTest, CancellingAStreamStopsItsWorkAtTheNextStep) {
  const auto server = Serving();
  server->gate->Hold();
  Stream client(*server);
  client.Open();
  client.stream->Write(Infer(500, 1, "a"));
  client.stream->Write(Infer(500, 2, "b"));
  server->gate->AwaitForwards(1);
  client.context.TryCancel();
  EXPECT_EQ(client.stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  // Both, whether or not the second has reached the server in time.
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].status.code(), absl::StatusCode::kCancelled);
  server->gate->Release();
  EXPECT_TRUE(Draw(*server, Staged(3)).ok());
  EXPECT_LT(server->gate->acts().size(), 50u);  // of 500
}

TEST(InferenceStreamTest, AFailureComesInItsMessageAndTheStreamGoesOn) {
  const auto server = Serving();
  Stream client(*server);
  client.Open();
  client.stream->Write(Infer(0, 1, "bad"));
  StreamResponse response;
  ASSERT_TRUE(client.stream->Read(&response));
  EXPECT_THAT(response.error_message(), AllOf(HasSubstr("INVALID_ARGUMENT: "), HasSubstr("STEPS: 0 given")));
  EXPECT_EQ(response.infer_response().id(), "bad");
  InferRequestMessage unknown = Infer(2, 1, "unknown");
  unknown.set_model_name("nobody");
  client.stream->Write(unknown);
  ASSERT_TRUE(client.stream->Read(&response));
  EXPECT_THAT(response.error_message(), HasSubstr("NOT_FOUND: model: 'nobody'"));
  client.stream->Write(Infer(2, 1, "good"));
  client.stream->WritesDone();
  const auto rest = client.ReadAll();
  EXPECT_TRUE(client.stream->Finish().ok());
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].infer_response().id(), "good");
  EXPECT_EQ(rest[0].error_message(), "");
}

TEST(InferenceStreamTest, WhoAsksForGrpcErrorsGetsTheFirstAsTheStreamsEnd) {
  const auto server = Serving();
  server->gate->Hold();
  Stream client(*server);
  client.context.AddMetadata("triton_grpc_error", "true");
  client.Open();
  client.stream->Write(Infer(500, 1, "a"));
  server->gate->AwaitForwards(1);
  client.stream->Write(Infer(0, 1, "bad"));
  EXPECT_TRUE(client.ReadAll().empty());
  const grpc::Status status = client.stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("STEPS: 0 given"));
  EXPECT_FALSE(status.error_details().empty());
  server->gate->Release();
  EXPECT_EQ(server->log.AwaitGenerations(2).size(), 2u);  // the other one has left, too
  EXPECT_TRUE(Draw(*server, Staged(3)).ok());
  EXPECT_LT(server->gate->acts().size(), 50u);
}

TEST(InferenceStreamTest, AStreamTakesManyMoreRequestsThanItHasUnderWay) {
  const auto server = Serving();
  Stream client(*server);
  client.Open();
  constexpr size_t kMany = 3 * StreamReactor::kMaxRequests;
  std::thread writer([&] {
    for (size_t i = 0; i < kMany; ++i) client.stream->Write(Infer(0, 1, absl::StrCat(i)));
    client.stream->WritesDone();
  });
  const auto all = client.ReadAll();
  writer.join();
  EXPECT_TRUE(client.stream->Finish().ok());
  EXPECT_EQ(all.size(), kMany);
}

TEST(InferenceStreamTest, AReaderThatDoesNotReadStallsNobodyAndLosesNoPicture) {
  const auto server = Serving();
  grpc::ChannelArguments small;  // so that what is not read stays with the server
  small.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  Stream client(*server, small);
  client.Open();
  constexpr int kSteps = 500;
  for (const char* id : {"a", "b"}) {
    InferRequestMessage request = WithPreviews(Infer(kSteps, 1, id));
    (*request.mutable_parameters())["num_images"].set_int64_param(2);
    client.stream->Write(request);
  }
  client.stream->WritesDone();
  server->gate->AwaitForwards(kSteps);  // the worker goes on
  EXPECT_TRUE(Draw(*server, Staged(6)).ok());
  int previews = 0;
  std::vector<std::string> finals;
  for (const StreamResponse& response : client.ReadAll()) {
    if (!IsFinal(response)) {
      ++previews;
      continue;
    }
    finals.push_back(response.infer_response().id());
    EXPECT_EQ(response.infer_response().outputs(0).shape(0), 2);
  }
  EXPECT_TRUE(client.stream->Finish().ok());
  EXPECT_THAT(finals, UnorderedElementsAre("a", "b"));
  EXPECT_LT(previews, 2 * 2 * (kSteps - 1));  // older ones were replaced
}

TEST(InferenceStreamTest, AStreamThatReadsNothingIsClosed) {
  const auto seconds = std::make_shared<std::atomic<int>>(0);  // ahead of now
  TestServer::Options options;
  options.app.now = [seconds] { return absl::Now() + absl::Seconds(seconds->load()); };
  const auto server = Serving(options);
  grpc::ChannelArguments small;
  small.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  Stream client(*server, small);
  client.Open();
  constexpr int kSteps = 500;
  InferRequestMessage request = WithPreviews(Infer(kSteps));
  (*request.mutable_parameters())["num_images"].set_int64_param(8);
  request.add_outputs()->set_name("IMAGE_RAW");
  client.stream->Write(request);
  server->gate->AwaitForwards(kSteps);
  EXPECT_TRUE(Draw(*server, Staged(6)).ok());
  seconds->store(31);
  const CallRecord ended = server->log.AwaitGenerations(2)[1];
  EXPECT_EQ(ended.rpc, "ModelStreamInfer");
  EXPECT_EQ(ended.status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(ended.status.message()), HasSubstr("read nothing for 30s"));
  client.ReadAll();
  EXPECT_EQ(client.stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace easel

// Generations that outlive their calls: submit, watch, get, cancel; names, tenants, readers that stall.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "tests/e2e/test_server.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The calls of one tenant, on a connection of its own.
class Caller {
 public:
  explicit Caller(const TestServer& server, std::string tenant = "")
      : tenant_(std::move(tenant)), stub_(v1::ImageGeneration::NewStub(server.Channel())) {}

  v1::Generation Submit(const v1::GenerateRequest& request) {
    v1::Generation generation;
    status = stub_->SubmitGeneration(Context().get(), request, &generation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return generation;
  }
  // The code is in `status`.
  v1::Generation Get(const std::string& id) {
    v1::Generation generation;
    v1::GetGenerationRequest request;
    request.set_id(id);
    status = stub_->GetGeneration(Context().get(), request, &generation);
    return generation;
  }
  v1::Generation Cancel(const std::string& id) {
    v1::Generation generation;
    v1::CancelGenerationRequest request;
    request.set_id(id);
    status = stub_->CancelGeneration(Context().get(), request, &generation);
    return generation;
  }
  v1::GenerateResponse Generate(const v1::GenerateRequest& request) {
    v1::GenerateResponse response;
    status = stub_->Generate(Context().get(), request, &response);
    return response;
  }
  // All events until the end.
  std::vector<v1::GenerationEvent> Watch(const std::string& id) {
    const auto context = Context();
    return ReadAll(*BeginWatch(context.get(), id));
  }
  std::unique_ptr<grpc::ClientReader<v1::GenerationEvent>> BeginWatch(grpc::ClientContext* context,
                                                                      const std::string& id) {
    v1::WatchGenerationRequest request;
    request.set_id(id);
    return stub_->WatchGeneration(context, request);
  }
  std::unique_ptr<grpc::ClientReader<v1::GenerationEvent>> BeginStream(grpc::ClientContext* context,
                                                                       const v1::GenerateRequest& request) {
    return stub_->GenerateStream(context, request);
  }
  std::vector<v1::GenerationEvent> ReadAll(grpc::ClientReader<v1::GenerationEvent>& reader) {
    std::vector<v1::GenerationEvent> events;
    for (v1::GenerationEvent event; reader.Read(&event);) events.push_back(event);
    status = reader.Finish();
    return events;
  }

  grpc::Status status;  // of the last call

 private:
  std::unique_ptr<grpc::ClientContext> Context() const {
    auto context = std::make_unique<grpc::ClientContext>();
    if (!tenant_.empty()) context->AddMetadata("x-easel-tenant", tenant_);
    return context;
  }

  const std::string tenant_;
  const std::unique_ptr<v1::ImageGeneration::Stub> stub_;
};

std::string KindOf(const v1::GenerationEvent& event) {
  return event.descriptor()->FindFieldByNumber(event.event_case())->name();
}

// The bytes of each picture, by index.
std::vector<std::string> PicturesOf(const std::vector<v1::GenerationEvent>& events) {
  std::vector<std::string> pictures;
  for (const v1::GenerationEvent& event : events) {
    if (!event.has_image()) continue;
    if (pictures.size() <= event.image().index()) pictures.resize(event.image().index() + 1);
    pictures[event.image().index()] += event.image().chunk();
  }
  return pictures;
}
template <typename Response>
std::vector<std::string> PicturesIn(const Response& response) {
  std::vector<std::string> pictures;
  for (const v1::GeneratedImage& image : response.images()) pictures.push_back(image.data());
  return pictures;
}

v1::GenerateRequest Detached(v1::GenerateRequest request) {
  request.set_on_disconnect(v1::ON_DISCONNECT_DETACH);
  return request;
}

// A server whose service is on a clock that the test sets.
struct Clocked {
  explicit Clocked(TestServer::Options options = {}) {
    options.app.now = [seconds = seconds] { return absl::Now() + absl::Seconds(seconds->load()); };
    server = Serving(std::move(options));
  }
  std::shared_ptr<std::atomic<int>> seconds = std::make_shared<std::atomic<int>>(0);  // ahead of now
  std::unique_ptr<TestServer> server;
};

TEST(DetachedTest, WatchingBeginsWithWhereItStands) {
  const auto server = Serving();
  const auto alone = Draw(*server, Staged(6));
  const int before = static_cast<int>(server->gate->acts().size()) - 1;  // forwards, without the decode
  server->gate->Hold();
  Caller caller(*server);
  const v1::Generation submitted = caller.Submit(Staged(6));
  EXPECT_FALSE(submitted.id().empty());
  EXPECT_EQ(submitted.parameters().num_inference_steps(), 6u);
  EXPECT_EQ(submitted.parameters().on_disconnect(), v1::ON_DISCONNECT_DETACH);
  server->gate->AwaitForwards(before + 1);
  for (int step = 0; step < 3; ++step) server->gate->PassOne();

  EXPECT_EQ(caller.Get(submitted.id()).state(), v1::GENERATION_STATE_RUNNING);
  EXPECT_EQ(caller.Get(submitted.id()).progress(0).progress().step(), 3u);
  grpc::ClientContext context;
  const auto reader = caller.BeginWatch(&context, submitted.id());
  v1::GenerationEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(KindOf(event), "started");
  EXPECT_EQ(event.generation_id(), submitted.id());
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.progress().step(), 3u);
  server->gate->Release();
  const auto events = caller.ReadAll(*reader);
  EXPECT_TRUE(caller.status.ok()) << caller.status.error_message();
  EXPECT_EQ(KindOf(events.back()), "done");
  EXPECT_THAT(PicturesOf(events), ElementsAre(alone->images(0).data()));
}

TEST(DetachedTest, AFinishedOneCanBeWatchedAndGot) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(4);
  request.set_num_images(2);
  const auto alone = Draw(*server, request);
  Caller caller(*server);
  const std::string id = caller.Submit(request).id();
  caller.Watch(id);  // to its end
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(PicturesOf(caller.Watch(id)), PicturesIn(*alone));
    EXPECT_TRUE(caller.status.ok());
  }
  const v1::Generation got = caller.Get(id);
  EXPECT_EQ(got.state(), v1::GENERATION_STATE_DONE);
  EXPECT_EQ(PicturesIn(got), PicturesIn(*alone));
  EXPECT_EQ(got.accounting().steps_run(), 8u);
  EXPECT_GT(got.expires_at(), absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  // So can one that was streamed.
  const auto streamed = Draw(*server, request);
  EXPECT_EQ(PicturesIn(caller.Get(streamed->generation_id())), PicturesIn(*alone));
}

TEST(DetachedTest, TwoWatchersAtOnceGetTheSamePictures) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(8);
  request.set_num_images(3);
  request.mutable_preview()->set_every_n_steps(1);
  const auto alone = Draw(*server, request);
  server->gate->Hold();
  Caller caller(*server);
  const std::string id = caller.Submit(request).id();
  std::vector<std::string> pictures[2];
  std::vector<std::thread> watchers;
  for (auto& mine : pictures) {
    watchers.emplace_back([&] { mine = PicturesOf(Caller(*server).Watch(id)); });
  }
  server->gate->Release();
  for (std::thread& watcher : watchers) watcher.join();
  EXPECT_EQ(pictures[0], PicturesIn(*alone));
  EXPECT_EQ(pictures[1], PicturesIn(*alone));
}

TEST(DetachedTest, CancelledByIdItFreesItsSlot) {
  const auto server = Serving();
  server->gate->Hold();
  Caller caller(*server);
  const std::string id = caller.Submit(Staged(500)).id();
  server->gate->AwaitForwards(1);
  grpc::ClientContext context;
  const auto watcher = caller.BeginWatch(&context, id);
  EXPECT_EQ(caller.Cancel(id).state(), v1::GENERATION_STATE_CANCELLED);
  EXPECT_TRUE(caller.status.ok());
  EXPECT_EQ(caller.Cancel(id).state(), v1::GENERATION_STATE_CANCELLED);  // twice is no error
  EXPECT_TRUE(caller.status.ok());
  server->gate->Release();
  caller.ReadAll(*watcher);
  EXPECT_EQ(caller.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(caller.Get(id).error_code(), static_cast<int>(grpc::StatusCode::CANCELLED));
  EXPECT_TRUE(Draw(*server, Staged(2)).ok());
  EXPECT_LT(server->gate->acts().size(), 20u);  // of 500
}

// Begins a stream, waits for its first step, and calls `leave`; the generation's id.
std::string Abandon(TestServer& server, const v1::GenerateRequest& request) {
  server.gate->Hold();
  Caller caller(server);
  grpc::ClientContext context;
  const auto reader = caller.BeginStream(&context, request);
  server.gate->AwaitForwards(1);
  server.gate->PassOne();
  v1::GenerationEvent event;
  EXPECT_TRUE(reader->Read(&event));
  context.TryCancel();
  caller.ReadAll(*reader);
  EXPECT_EQ(server.log.AwaitGenerations(1)[0].status.code(), absl::StatusCode::kCancelled);
  server.gate->Release();
  return event.generation_id();
}

TEST(DetachedTest, WithDetachItGoesOnWithoutItsCaller) {
  const auto alone = Draw(*Serving(), Staged(6));
  const auto server = Serving();
  Caller caller(*server);
  const std::string id = Abandon(*server, Detached(Staged(6)));
  EXPECT_EQ(PicturesOf(caller.Watch(id)), PicturesIn(*alone));
  EXPECT_TRUE(caller.status.ok()) << caller.status.error_message();
}

TEST(DetachedTest, WithCancelItEndsWithItsCaller) {
  const auto server = Serving();
  Caller caller(*server);
  const std::string id = Abandon(*server, Staged(500));
  caller.Watch(id);
  EXPECT_EQ(caller.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_LT(server->gate->acts().size(), 20u);  // of 500
}

TEST(DetachedTest, ACallsDeadlineIsNotThatOfDetachedWork) {
  const auto server = Serving();
  Caller caller(*server);
  server->gate->Hold();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  const auto reader = caller.BeginStream(&context, Detached(Staged(6)));
  v1::GenerationEvent event;
  ASSERT_TRUE(reader->Read(&event));
  caller.ReadAll(*reader);
  EXPECT_EQ(caller.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  server->gate->Release();
  EXPECT_EQ(PicturesOf(caller.Watch(event.generation_id())).size(), 1u);
}

TEST(DetachedTest, TheSameRequestIdJoinsWhereverItIsSent) {
  const auto server = Serving();
  Caller caller(*server);
  v1::GenerateRequest request = Staged(5);
  request.clear_seed();  // two draws would differ
  request.set_request_id("mine");
  server->gate->Hold();
  const std::string id = caller.Submit(request).id();
  absl::StatusOr<v1::GenerateResponse> streamed;
  std::thread other([&] { streamed = Draw(*server, request); });
  EXPECT_EQ(caller.Submit(request).id(), id);
  server->gate->Release();
  other.join();
  ASSERT_TRUE(streamed.ok()) << streamed.status();
  EXPECT_EQ(streamed->generation_id(), id);
  const v1::GenerateResponse again = caller.Generate(request);  // it has ended by now
  EXPECT_EQ(again.generation_id(), id);
  EXPECT_EQ(PicturesIn(again), PicturesIn(*streamed));
  EXPECT_EQ(server->gate->acts().size(), 5u + 1);  // one draw

  request.set_num_images(2);
  caller.Generate(request);
  EXPECT_EQ(caller.status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(caller.status.error_message(), HasSubstr("mine"));
}

// A caller that tries again elsewhere, because the first server died, sees one picture, not two.
TEST(DetachedTest, TheSameRequestIdDrawsTheSameOnEveryServer) {
  const auto one = Serving(), other = Serving();
  v1::GenerateRequest request = Staged(3);
  request.clear_seed();
  request.set_request_id("mine");
  const auto first = Draw(*one, request), second = Draw(*other, request);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(PicturesIn(*first), PicturesIn(*second));
  request.set_request_id("another");
  const auto third = Draw(*one, request);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_NE(third->parameters().seed(), first->parameters().seed());
}

TEST(DetachedTest, AJoinedGenerationOutlivesItsFirstCaller) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(6);
  request.set_request_id("mine");
  Caller first(*server), second(*server);
  server->gate->Hold();
  grpc::ClientContext leaving, staying;
  const auto dropped = first.BeginStream(&leaving, request);
  server->gate->AwaitForwards(1);
  const auto kept = second.BeginStream(&staying, request);
  v1::GenerationEvent event;
  ASSERT_TRUE(kept->Read(&event));  // it has joined
  leaving.TryCancel();
  server->log.AwaitGenerations(1);
  server->gate->Release();
  EXPECT_EQ(PicturesOf(second.ReadAll(*kept)).size(), 1u);
  EXPECT_TRUE(second.status.ok()) << second.status.error_message();
}

// By a caller with more time, or by one who leaves it to the server.
TEST(DetachedTest, AJoinedGenerationOutlivesItsFirstCallersDeadline) {
  for (const bool submitted : {false, true}) {
    std::atomic<bool> late = false;
    TestServer::Options options;
    options.engine.now = [&late] { return SteadyNow() + (late ? absl::Hours(2) : absl::ZeroDuration()); };
    const auto server = Serving(options);
    v1::GenerateRequest request = Staged(6);
    request.set_request_id("mine");
    Caller first(*server), second(*server);
    server->gate->Hold();
    grpc::ClientContext hurried, patient;
    hurried.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
    const auto early = first.BeginStream(&hurried, request);
    server->gate->AwaitForwards(1);
    std::unique_ptr<grpc::ClientReader<v1::GenerationEvent>> kept;
    if (submitted) {
      kept = second.BeginWatch(&patient, second.Submit(request).id());
    } else {
      kept = second.BeginStream(&patient, request);
    }
    v1::GenerationEvent event;
    ASSERT_TRUE(kept->Read(&event));
    late = true;
    server->gate->Release();
    EXPECT_EQ(PicturesOf(second.ReadAll(*kept)).size(), 1u);
    EXPECT_TRUE(second.status.ok()) << second.status.error_message();
    first.ReadAll(*early);
  }
}

TEST(DetachedTest, ARefusedSubmissionLeavesNothing) {
  TestServer::Options options;
  options.engine.max_queue = 1;
  const auto server = Serving(options);
  Caller caller(*server);
  v1::GenerateRequest request = Staged(2);
  request.set_request_id("mine");
  request.set_num_images(2);
  caller.Generate(request);
  EXPECT_EQ(caller.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  request.set_num_images(1);
  caller.Generate(request);  // the name is free
  EXPECT_TRUE(caller.status.ok()) << caller.status.error_message();
}

TEST(DetachedTest, AStalledReaderIsClosedAndTheDetachedResultKept) {
  Clocked clocked;
  const auto& server = clocked.server;
  grpc::ChannelArguments small;  // so that what is not read stays with the server
  small.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const auto stub = v1::ImageGeneration::NewStub(server->Channel(small));
  constexpr int kSteps = 500, kPictures = 8;
  v1::GenerateRequest request = Detached(Staged(kSteps));
  request.set_num_images(kPictures);
  request.mutable_preview()->set_every_n_steps(1);
  request.mutable_preview()->set_format(v1::IMAGE_FORMAT_RAW_RGB8);
  grpc::ClientContext context;
  const auto reader = stub->GenerateStream(&context, request);
  v1::GenerationEvent event;
  ASSERT_TRUE(reader->Read(&event));
  const std::string id = event.generation_id();

  Caller caller(*server);
  EXPECT_EQ(PicturesOf(caller.Watch(id)).size(), size_t{kPictures});  // who reads is not held up
  *clocked.seconds = 31;
  const std::vector<CallRecord> ended = server->log.AwaitGenerations(2);
  EXPECT_EQ(ended[1].rpc, "GenerateStream");
  EXPECT_EQ(ended[1].status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(ended[1].status.message()), HasSubstr("read nothing for 30s"));
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(caller.Get(id).state(), v1::GENERATION_STATE_DONE);
  EXPECT_EQ(PicturesOf(caller.Watch(id)).size(), size_t{kPictures});
}

TEST(DetachedTest, ResultsExpire) {
  Clocked clocked;
  Caller caller(*clocked.server);
  const std::string id = caller.Submit(Staged(2)).id();
  caller.Watch(id);
  EXPECT_TRUE(caller.Get(id).images_size() == 1);
  *clocked.seconds = 601;
  do {
    caller.Get(id);
  } while (caller.status.ok());  // the sweeper comes by every second
  EXPECT_EQ(caller.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(caller.Watch(id), testing::IsEmpty());
  EXPECT_EQ(caller.status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(DetachedTest, AnotherTenantsGenerationIsNotFound) {
  TestServer::Options options;
  options.app.trust_tenant_header = true;
  const auto server = Serving(options);
  Caller mine(*server, "mine"), other(*server, "other"), nobody(*server), bad(*server, "a b");
  const std::string id = mine.Submit(Staged(3)).id();
  for (Caller* stranger : {&other, &nobody}) {
    stranger->Get(id);
    EXPECT_EQ(stranger->status.error_code(), grpc::StatusCode::NOT_FOUND);
    stranger->Watch(id);
    EXPECT_EQ(stranger->status.error_code(), grpc::StatusCode::NOT_FOUND);
    stranger->Cancel(id);
    EXPECT_EQ(stranger->status.error_code(), grpc::StatusCode::NOT_FOUND);
  }
  EXPECT_EQ(PicturesOf(mine.Watch(id)).size(), 1u);
  EXPECT_EQ(mine.Get(id).state(), v1::GENERATION_STATE_DONE);
  bad.Get(id);
  EXPECT_EQ(bad.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(bad.status.error_message(), HasSubstr("x-easel-tenant"));
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].tenant, "mine");
}

TEST(DetachedTest, TheTenantsHeaderIsNothingWhereNobodyTrustsIt) {
  const auto server = Serving();
  Caller mine(*server, "mine"), other(*server, "a b");
  const std::string id = mine.Submit(Staged(3)).id();
  EXPECT_EQ(other.Get(id).id(), id);
  EXPECT_EQ(server->log.AwaitGenerations(1)[0].tenant, "");
}

TEST(DetachedTest, TheCallsAreInTheLog) {
  const auto server = Serving();
  Caller caller(*server);
  const std::string id = caller.Submit(Staged(3)).id();
  caller.Watch(id);
  caller.Get(id);
  caller.Cancel(id);
  std::vector<std::string> rpcs;
  for (const CallRecord& call : server->log.AwaitGenerations(4)) {
    rpcs.emplace_back(call.rpc);
    EXPECT_EQ(call.generation_id, id);
    EXPECT_EQ(call.model, "staged");
    EXPECT_EQ(call.steps, 3);
  }
  EXPECT_THAT(rpcs, ElementsAre("SubmitGeneration", "WatchGeneration", "GetGeneration", "CancelGeneration"));
}

}  // namespace
}  // namespace easel

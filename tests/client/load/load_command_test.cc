#include "client/load/load_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "client/load/load_plan.h"
#include "client/load/load_run.h"
#include "tests/client/fake_server.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

v1::GenerationEvent QueuedEvent(double estimate) {
  v1::GenerationEvent event;
  event.mutable_queued()->set_estimated_wait_seconds(estimate);
  return event;
}

// A picture of the request's seed, as a server would draw it.
void SendPicture(const v1::GenerateRequest& request, FakeServer::Writer* writer) {
  writer->Write(QueuedEvent(0.5));
  writer->Write(StartedEvent());
  if (request.has_preview()) writer->Write(PreviewEvent(0, 1, 1, 1, "RGB"));
  writer->Write(ImageEvent(0, request.seed(), "picture of " + std::to_string(request.seed())));
  v1::GenerationEvent done = DoneEvent();
  done.mutable_done()->mutable_accounting()->set_mean_batch_size(3);
  writer->Write(done);
}

grpc::Status Draw(const v1::GenerateRequest& request, FakeServer::Writer* writer) {
  SendPicture(request, writer);
  return grpc::Status::OK;
}

class LoadCommand : public ::testing::Test {
 protected:
  // Runs the load on that server, with a mix of two kinds.
  int Run(FakeServer& server, LoadOptions options, bool json = true) {
    server.models().add_models()->set_name("emoji");
    const std::string mix = testing::TempDir() + "/load_mix.json";
    std::ofstream(mix) << R"([{"request": {"prompt": "a"}, "tenant": "shop"},
                              {"request": {"prompt": "b"}, "tenant": "other"}])";
    options.mix = mix;
    client_ = server.Client();
    out_.str("");
    return RunLoad(options, json, *client_, {}, out_, err_);
  }
  nlohmann::json Report() const { return nlohmann::json::parse(out_.str()); }

  std::unique_ptr<ImageClient> client_;
  std::ostringstream out_, err_;
};

// Each kind four times alone: one that is not counted, three that are.
constexpr size_t kAlone = 2 * 4;

TEST_F(LoadCommand, ClosedLoopSendsAllAndCountsThoseAfterTheWarmup) {
  FakeServer server(Draw);
  EXPECT_EQ(Run(server, {.concurrency = 3, .requests = 20, .warmup = 5, .slo = 1e9}), 0) << err_.str();
  EXPECT_EQ(server.requests().size(), kAlone + 25);
  const auto report = Report();
  EXPECT_EQ(report["requests"], 20);
  EXPECT_EQ(report["completed"], 20);
  EXPECT_EQ(report["slo_attainment"], 1);
  EXPECT_EQ(report["mean_batch"], 3);
  EXPECT_EQ(report["wait_estimates"], 20);
  EXPECT_EQ(report["solo_seconds"].size(), 2u);
  EXPECT_TRUE(report["first_preview_seconds"].is_null());
  EXPECT_TRUE(report["verification"].is_null());
}

TEST_F(LoadCommand, OpenLoopSendsWhatThePlanSays) {
  FakeServer server(Draw);
  EXPECT_EQ(Run(server, {.rate = 1e6, .requests = 30, .seed = 7, .preview = 2}), 0) << err_.str();
  LoadPlan plan(7, 1e6, false, {1, 1});
  std::multiset<std::pair<std::string, uint64_t>> expected, sent;
  for (int i = 0; i < 30; ++i) {
    const PlannedRequest planned = plan.Next();
    expected.emplace(planned.kind == 0 ? "a" : "b", planned.seed);
  }
  const auto requests = server.requests();
  for (size_t i = kAlone; i < requests.size(); ++i) {
    sent.emplace(requests[i].prompt(), requests[i].seed());
    EXPECT_EQ(requests[i].preview().every_n_steps(), 2u);
  }
  EXPECT_EQ(sent, expected);
  EXPECT_EQ(Report()["first_preview_seconds"]["count"], 30);
}

// The server answers nobody before all are there: an open loop does not wait for answers.
TEST_F(LoadCommand, OpenLoopSendsHoweverManyAreUnderWay) {
  constexpr size_t kRequests = 40;
  std::atomic<size_t> arrived = 0;
  absl::Mutex mutex;
  FakeServer server([&](const v1::GenerateRequest& request, FakeServer::Writer* writer) {
    const bool of_the_load = ++arrived > kAlone;
    absl::MutexLock lock(&mutex);
    const auto all_are_there = [&] { return arrived >= kAlone + kRequests; };
    if (of_the_load) mutex.Await(absl::Condition(&all_are_there));
    return Draw(request, writer);
  });
  EXPECT_EQ(Run(server, {.rate = 1e6, .requests = kRequests}), 0) << err_.str();
  EXPECT_EQ(Report()["completed"], kRequests);
}

TEST_F(LoadCommand, TenantsOfTheMixAreSentAndToldApart) {
  FakeServer server(Draw);
  EXPECT_EQ(Run(server, {.concurrency = 2, .requests = 40}), 0) << err_.str();
  const auto report = Report();
  EXPECT_EQ(
      report["tenants"]["shop"]["requests"].get<int>() + report["tenants"]["other"]["requests"].get<int>(),
      40);
  size_t shop = 0;
  for (const std::string& tenant : server.metadata("x-easel-tenant")) shop += tenant == "shop";
  EXPECT_EQ(shop, kAlone / 2 + report["tenants"]["shop"]["requests"].get<size_t>());
}

TEST_F(LoadCommand, RefusalsAreFigures) {
  std::atomic<size_t> calls = 0;
  FakeServer server([&](const v1::GenerateRequest& request, FakeServer::Writer* writer) {
    const size_t call = ++calls;
    if (call > kAlone && call % 2 == 0) {
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full");
    }
    return Draw(request, writer);
  });
  EXPECT_EQ(Run(server, {.concurrency = 1, .requests = 10, .slo = 1e9}), 0) << err_.str();
  EXPECT_EQ(Report()["errors"]["RESOURCE_EXHAUSTED"], 5);
  EXPECT_EQ(Report()["error_messages"]["RESOURCE_EXHAUSTED"], "the queue is full");
  EXPECT_EQ(Report()["slo_attainment"], 0.5);
}

TEST_F(LoadCommand, VerifyComparesEveryPictureAndDrawsEachOnce) {
  FakeServer server(Draw);
  EXPECT_EQ(Run(server, {.concurrency = 2, .requests = 100, .preview = 1, .verify = true}), 0) << err_.str();
  EXPECT_EQ(Report()["verification"]["compared"], 100);
  EXPECT_EQ(Report()["verification"]["different"], 0);
  const auto requests = server.requests();
  EXPECT_LE(requests.size(), kAlone + 100 + 2 * LoadPlan::kPictureSeeds);
  ASSERT_GT(requests.size(), kAlone + 100);
  EXPECT_FALSE(requests.back().has_preview());
}

TEST_F(LoadCommand, VerifyFindsAPictureThatANeighbourChanged) {
  std::atomic<size_t> calls = 0;
  FakeServer server([&](v1::GenerateRequest request, FakeServer::Writer* writer) {
    if (++calls == kAlone + 10) request.set_seed(request.seed() + 1);  // another's picture
    return Draw(request, writer);
  });
  EXPECT_EQ(Run(server, {.concurrency = 1, .requests = 50, .verify = true}), 1);
  EXPECT_EQ(Report()["verification"]["compared"], 50);
  EXPECT_EQ(Report()["verification"]["different"], 1);
}

// The server never ends these by itself.
TEST_F(LoadCommand, TheSloIsTheDeadlineThatIsSent) {
  FakeServer server(SendWithoutEnd({StartedEvent()}));
  client_ = server.Client();
  const std::vector<LoadKind> mix(2);
  const LoadOptions options{.concurrency = 2, .requests = 4, .slo = 5, .deadline = true};
  const std::vector<double> solo = {0.01, 0.01};
  LoadRun run(*client_, options, mix, solo);
  const std::vector<LoadRun::Ended> ended = run.Run([](const LoadRun::Progress&) {});
  ASSERT_EQ(ended.size(), 4u);
  for (const LoadRun::Ended& one : ended) {
    EXPECT_EQ(one.record.code, absl::StatusCode::kDeadlineExceeded);
    EXPECT_DOUBLE_EQ(one.record.deadline, 0.05);
  }
}

TEST_F(LoadCommand, CtrlCReportsWhatThereIs) {
  std::atomic<size_t> calls = 0;
  FakeServer server([&](const v1::GenerateRequest& request, FakeServer::Writer* writer) {
    if (++calls == kAlone + 6) {
      client_->Cancel();
      return SendWithoutEnd({})(request, writer);
    }
    return Draw(request, writer);
  });
  EXPECT_EQ(Run(server, {.concurrency = 1, .requests = 1000}), 1);
  EXPECT_TRUE(Report()["interrupted"]);
  EXPECT_EQ(Report()["completed"], 5);
  EXPECT_EQ(Report()["requests"], 5);  // what Ctrl-C cut off counts neither way
}

TEST_F(LoadCommand, WhatCannotBeginIsAnError) {
  FakeServer refusing(Send({}, grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "prompt: takes none")));
  EXPECT_EQ(Run(refusing, {.concurrency = 1, .requests = 5}), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("INVALID_ARGUMENT: prompt: prompt: takes none"));
  FakeServer server(Draw);
  EXPECT_EQ(Run(server, {.concurrency = 1, .requests = 5, .model = "other"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("NOT_FOUND: no such model: other"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(LoadCommand, TheTableIsForPeople) {
  FakeServer server(Draw);
  EXPECT_EQ(Run(server, {.concurrency = 2, .requests = 5, .slo = 1e9}, /*json=*/false), 0);
  EXPECT_THAT(out_.str(), HasSubstr("5, 5 completed"));
  EXPECT_THAT(out_.str(), HasSubstr("SLO attainment           100.0 %"));
  EXPECT_EQ(err_.str(), "");  // no terminal, no progress
}

}  // namespace
}  // namespace easel

// easeld in this process, on a port of its own, with two models that need no files: "staged", a small network
// that the test can hold (the default), and "colours", which draws the colour it is asked for.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/image_client.h"
#include "easel/v1/image_generation.grpc.pb.h"
#include "server/app.h"
#include "tests/server/engine/gate.h"

namespace easel {

// The calls that have ended, as the log is told of them. Thread-safe.
class CallLog {
 public:
  void Add(const CallRecord& record) {
    absl::MutexLock lock(&mutex_);
    calls_.push_back(record);
  }
  // Blocks until so many generations in all have ended, and returns them.
  std::vector<CallRecord> AwaitGenerations(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto ended = [&] {
      mutex_.AssertHeld();
      return Generations().size() >= count;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&ended), absl::Minutes(2)));
    return Generations();
  }

 private:
  std::vector<CallRecord> Generations() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<CallRecord> generations;
    for (const CallRecord& call : calls_) {
      if (!call.generation_id.empty()) generations.push_back(call);
    }
    return generations;
  }

  absl::Mutex mutex_;
  std::vector<CallRecord> calls_ ABSL_GUARDED_BY(mutex_);
};

struct TestServer {
  struct Options {
    App::Options app;
    EngineOptions engine;
    CpuLayout layout;
  };
  explicit TestServer() : TestServer(Options()) {}
  explicit TestServer(Options given) : options(std::move(given)) {
    options.app.listen = {"127.0.0.1", 0};
    options.app.version = "test";
    options.app.log = [this](const CallRecord& record) { log.Add(record); };
    auto opened = App::Listen(options.app);
    EXPECT_TRUE(opened.ok()) << opened.status();
    app = *std::move(opened);
  }
  ~TestServer() { gate->Release(); }

  void Serve();
  // It never tries again: what is tested is what the server says.
  std::unique_ptr<ImageClient> Client() const {
    return *ImageClient::Create({.server = app->address(), .retries = 0});
  }
  std::shared_ptr<grpc::Channel> Channel(const grpc::ChannelArguments& arguments = {}) const {
    return grpc::CreateCustomChannel(app->address(), grpc::InsecureChannelCredentials(), arguments);
  }

  Options options;
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  CallLog log;
  std::unique_ptr<App> app;
};

// A server that serves.
inline std::unique_ptr<TestServer> Serving(TestServer::Options options = {}) {
  auto server = std::make_unique<TestServer>(std::move(options));
  server->Serve();
  return server;
}

inline v1::GenerateRequest Staged(int steps, uint64_t seed = 1) {
  v1::GenerateRequest request;
  request.set_class_label(1);
  request.set_num_inference_steps(static_cast<uint32_t>(steps));
  request.set_seed(seed);
  return request;
}

// The detail of that type, if the status has it.
template <typename Detail>
bool Has(const absl::Status& status, Detail* detail) {
  const auto payload =
      status.GetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  return payload.has_value() && detail->ParseFromString(std::string(*payload));
}

// Generate without an interest in events.
inline absl::StatusOr<v1::GenerateResponse> Draw(const TestServer& server,
                                                 const v1::GenerateRequest& request) {
  return server.Client()->Generate(request, [](const v1::GenerationEvent&) {});
}

}  // namespace easel

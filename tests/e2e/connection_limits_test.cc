// What connections may cost: messages and metadata that are too big, pings without end, and peers that
// connect and then say nothing, or little by little.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/e2e/test_server.h"
#include "tests/http2_frame.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

constexpr char kPingPayload[] = "12345678";

const std::string kHello = kHttp2Preface + Http2Frame(kSettings, "");

std::string Pings(int count) {
  std::string pings;
  for (int i = 0; i < count; ++i) pings += Http2Frame(kPing, kPingPayload);
  return pings;
}

// A TCP connection to the server, with nothing said on it yet.
class RawConnection {
 public:
  explicit RawConnection(const TestServer& server) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(Address::Parse(server.app->address())->port));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~RawConnection() { close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // Whether the other end still took it.
  bool Send(const std::string& bytes) {
    return send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // What comes until it holds `words` so many times, or, which this waits for, the server hangs up.
  std::string ReadUntil(const std::string& words, int times) {
    std::string all;
    char buffer[4096];
    for (ssize_t n = 0; Count(words, all) < times && (n = recv(socket_, buffer, sizeof(buffer), 0)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }
  // Waits until the server hangs up.
  void AwaitTheEnd() { ReadUntil("never said", 1); }

  static int Count(const std::string& words, const std::string& text) {
    int count = 0;
    for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
    return count;
  }

 private:
  const int socket_;
};

TestServer::Options With(ConnectionLimits limits) {
  TestServer::Options options;
  options.app.connections = limits;
  return options;
}

TEST(ConnectionLimitsTest, AnOversizedMessageIsRefused) {
  const auto server = Serving();
  v1::GenerateRequest request = Staged(2);
  request.set_prompt(std::string(size_t{1} << 20, 'x'));
  const absl::Status status = Draw(*server, request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("larger than max"));
  EXPECT_TRUE(Draw(*server, Staged(2)).ok());
}

TEST(ConnectionLimitsTest, TooMuchMetadataIsRefused) {
  const auto server = Serving();
  const auto client =
      *ImageClient::Create({.server = server->app->address(), .tenant = std::string(20 << 10, 'x')});
  EXPECT_EQ(client->ListModels().status().code(), absl::StatusCode::kResourceExhausted);
  const auto within =
      *ImageClient::Create({.server = server->app->address(), .tenant = std::string(12 << 10, 'x')});
  EXPECT_TRUE(within->ListModels().ok());
}

TEST(ConnectionLimitsTest, APingFloodEndsItsConnectionAndNoOther) {
  const auto server = Serving();
  const auto other = server->Client();
  ASSERT_TRUE(other->ListModels().ok());
  RawConnection few(*server), flood(*server);
  ASSERT_TRUE(few.Send(kHello + Pings(10)));
  EXPECT_THAT(few.ReadUntil("never said", 1), HasSubstr("too_many_pings"));
  ASSERT_TRUE(flood.Send(kHello));
  while (flood.Send(Pings(1000))) {  // until it is cut off
  }
  EXPECT_TRUE(other->ListModels().ok());
}

TEST(ConnectionLimitsTest, PingsAtTheirIntervalAreNoFlood) {
  const auto server = Serving(With({.ping_interval = absl::ZeroDuration()}));
  RawConnection pings(*server);
  ASSERT_TRUE(pings.Send(kHello + Pings(50)));
  EXPECT_EQ(RawConnection::Count(kPingPayload, pings.ReadUntil(kPingPayload, 50)), 50);
}

TEST(ConnectionLimitsTest, WhoConnectsAndSaysNothingIsHungUpOn) {
  const auto server = Serving(With({.handshake = absl::Milliseconds(100)}));
  RawConnection silent(*server);
  silent.AwaitTheEnd();
  EXPECT_TRUE(Draw(*server, Staged(2)).ok());
}

TEST(ConnectionLimitsTest, WhoSpeaksByteByByteIsHungUpOnAndHurtsNobody) {
  const auto server = Serving(With({.handshake = absl::Milliseconds(300)}));
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (int i = 0; i < 50; ++i) slow.push_back(std::make_unique<RawConnection>(*server));
  const std::string words = kHttp2Preface;
  size_t said = 0;
  do {  // a byte on each while others are served, and never the whole preface
    if (said + 1 < words.size()) {
      for (const auto& each : slow) each->Send(words.substr(said, 1));
      ++said;
    }
    EXPECT_TRUE(Draw(*server, Staged(2)).ok());
  } while (said + 1 < words.size());
  for (const auto& each : slow) each->AwaitTheEnd();
}

TEST(ConnectionLimitsTest, AnIdleConnectionIsClosedAndComesBackForTheNextCall) {
  const auto server = Serving(With({.idle = absl::Milliseconds(100)}));
  const auto channel = server->Channel();
  const auto stub = v1::ImageGeneration::NewStub(channel);
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    v1::ListModelsResponse response;
    EXPECT_TRUE(stub->ListModels(&context, {}, &response).ok());
    ASSERT_TRUE(channel->WaitForStateChange(GRPC_CHANNEL_READY,
                                            std::chrono::system_clock::now() + std::chrono::minutes(2)));
  }
}

TEST(ConnectionLimitsTest, StreamsOfAConnectionAreBounded) {
  const auto server = Serving(With({.streams = 2}));
  const auto channel = server->Channel();
  const auto health = ::grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext watching[2], third, other;
  std::vector<std::unique_ptr<grpc::ClientReader<::grpc::health::v1::HealthCheckResponse>>> watches;
  for (grpc::ClientContext& context : watching) {
    watches.push_back(health->Watch(&context, {}));
    ::grpc::health::v1::HealthCheckResponse now;
    ASSERT_TRUE(watches.back()->Read(&now));  // and it stays, for what may come
  }
  third.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  v1::ListModelsResponse response;
  EXPECT_EQ(v1::ImageGeneration::NewStub(channel)->ListModels(&third, {}, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  grpc::ChannelArguments own;  // a connection
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  EXPECT_TRUE(v1::ImageGeneration::NewStub(server->Channel(own))->ListModels(&other, {}, &response).ok());
  for (grpc::ClientContext& context : watching) context.TryCancel();
  for (const auto& watch : watches) watch->Finish();
}

}  // namespace
}  // namespace easel

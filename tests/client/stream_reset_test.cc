// A proxy whose server has died may end a stream with a frame of HTTP/2's own, as no gRPC server of ours
// does.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/image_client.h"
#include "tests/http2_frame.h"

namespace easel {
namespace {

// Resets every stream as soon as it begins, on one connection.
class ResettingPeer {
 public:
  explicit ResettingPeer(char error) : error_(error), listening_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listening_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listening_, 1), 0);
    EXPECT_EQ(getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this] { Run(); });
  }
  // REQUIRES: the client has gone.
  ~ResettingPeer() {
    thread_.join();
    close(listening_);
  }
  ResettingPeer(const ResettingPeer&) = delete;
  ResettingPeer& operator=(const ResettingPeer&) = delete;

  const std::string& address() const { return address_; }
  int streams() const { return streams_; }

 private:
  void Run() {
    const int connection = accept(listening_, nullptr, nullptr);
    const auto send_all = [&](const std::string& bytes) {
      send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    };
    send_all(Http2Frame(kSettings, ""));
    Read(connection, sizeof(kHttp2Preface) - 1);
    for (std::string head; !(head = Read(connection, kFrameHead)).empty();) {
      const auto byte = [&](size_t at) { return static_cast<unsigned char>(head[at]); };
      const size_t length = size_t{byte(0)} << 16 | size_t{byte(1)} << 8 | byte(2);
      Read(connection, length);
      if (head[3] == kSettings && head[4] != kAck) send_all(Http2Frame(kSettings, "", kAck));
      if (head[3] == kHeaders) {
        ++streams_;
        send_all(Http2Frame(kReset, {'\0', '\0', '\0', error_}, 0, head[8]));
      }
    }
    close(connection);
  }
  // Empty when the other end has gone.
  static std::string Read(int connection, size_t size) {
    std::string bytes(size, '\0');
    const ssize_t n = size == 0 ? 0 : recv(connection, bytes.data(), size, MSG_WAITALL);
    return n == static_cast<ssize_t>(size) ? bytes : "";
  }

  const char error_;
  const int listening_;
  std::string address_;
  std::atomic<int> streams_ = 0;
  std::thread thread_;
};

// INTERNAL_ERROR and CANCEL, of which gRPC makes INTERNAL and CANCELLED.
class StreamResetTest : public ::testing::TestWithParam<char> {};

TEST_P(StreamResetTest, IsAStreamThatBrokeOffAndIsTriedAgain) {
  ResettingPeer peer(GetParam());
  auto client = *ImageClient::Create({.server = peer.address(), .retries = 1});
  const absl::Status status = client->Generate({}, [](const v1::GenerationEvent&) {}).status();
  client.reset();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StartsWith(status.message(), "the stream broke off (")) << status;
  EXPECT_EQ(peer.streams(), 2);
}

INSTANTIATE_TEST_SUITE_P(Errors, StreamResetTest, ::testing::Values('\x2', '\x8'),
                         [](const auto& info) { return absl::StrCat("Code", int{info.param}); });

}  // namespace
}  // namespace easel

// A TCP connection to a server, for what gRPC's clients do not say.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/time/time.h"
#include "tests/e2e/test_server.h"
#include "tests/http2_frame.h"

namespace easel {

// With what a client says first, and settings as they are.
inline const std::string kHello = kHttp2Preface + Http2Frame(kSettings, "");

class RawConnection {
 public:
  // Nothing is said on it yet.
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
  // The next frame, whole; empty when the server has hung up.
  std::string ReadFrame() {
    std::string frame = Read(kFrameHead);
    if (frame.empty()) return frame;
    const auto byte = [&](size_t at) { return static_cast<unsigned char>(frame[at]); };
    return frame + Read(size_t{byte(0)} << 16 | size_t{byte(1)} << 8 | byte(2));
  }
  // Whether anything comes, or the server hangs up.
  bool HearsWithin(absl::Duration patience) {
    pollfd asked = {.fd = socket_, .events = POLLIN, .revents = 0};
    return poll(&asked, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) != 0;
  }
  // Waits until the server hangs up.
  void AwaitTheEnd() { ReadUntil("never said", 1); }

  static int Count(const std::string& words, const std::string& text) {
    int count = 0;
    for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
    return count;
  }

 private:
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    const ssize_t n = size == 0 ? 0 : recv(socket_, bytes.data(), size, MSG_WAITALL);
    return n == static_cast<ssize_t>(size) ? bytes : "";
  }

  const int socket_;
};

}  // namespace easel

// Frames of HTTP/2 (RFC 9113), for peers that do what gRPC's do not.
#pragma once

#include <string>

namespace easel {

constexpr char kHttp2Preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHead = 9;
// Types; the flag of a SETTINGS or PING that answers one.
constexpr char kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6;
constexpr char kAck = 1;

// Of stream 0: of the connection itself. REQUIRES: a payload and a stream of at most 255 and 127.
inline std::string Http2Frame(char type, const std::string& payload, char flags = 0, char stream = 0) {
  return std::string({'\0', '\0', static_cast<char>(payload.size()), type, flags, '\0', '\0', '\0', stream}) +
         payload;
}

}  // namespace easel

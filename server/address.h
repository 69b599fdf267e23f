// HOST:PORT.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace easel {

struct Address {
  std::string host;  // a name, or a number; IPv6 in brackets
  int port = 0;      // 0: any free one

  std::string ToString() const { return absl::StrCat(host, ":", port); }

  // Whether only this machine can reach it.
  bool IsLoopback() const { return host == "localhost" || host == "[::1]" || host.starts_with("127."); }

  // InvalidArgument unless `text` is HOST:PORT.
  static absl::StatusOr<Address> Parse(const std::string& text) {
    const size_t colon = text.rfind(':');
    Address address;
    if (colon == std::string::npos || colon == 0 ||
        !absl::SimpleAtoi(text.substr(colon + 1), &address.port) || address.port < 0 ||
        address.port > 65535) {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not HOST:PORT"));
    }
    address.host = text.substr(0, colon);
    const bool bracketed = address.host.front() == '[' && address.host.back() == ']';
    if (!bracketed && address.host.find(':') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "': an IPv6 address goes in brackets"));
    }
    return address;
  }
};

}  // namespace easel

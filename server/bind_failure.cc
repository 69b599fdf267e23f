#include "server/bind_failure.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

// errno of binding it; 0: it can be bound.
int TryToBind(const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int on = 1;  // as servers do: what only lingers after a connection's end is free
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool bound = bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, /*backlog=*/1) == 0;
  const int error = bound ? 0 : errno;
  close(fd);
  return error;
}

}  // namespace

absl::Status WhyNotBound(const std::string& flag, const Address& address) {
  const std::string cannot = absl::StrCat(flag, ": cannot listen on ", address.ToString(), ": ");
  std::string host = address.host;
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int unknown = getaddrinfo(host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (unknown != 0) return absl::InvalidArgumentError(absl::StrCat(cannot, gai_strerror(unknown)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  int error = 0;
  for (const addrinfo* one = found; one != nullptr && error == 0; one = one->ai_next) error = TryToBind(*one);
  if (error == 0 || error == EADDRINUSE) {
    return absl::UnavailableError(absl::StrCat(cannot, "the address is in use"));
  }
  return absl::InvalidArgumentError(absl::StrCat(cannot, strerror(error)));
}

}  // namespace easel

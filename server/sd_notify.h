// systemd's readiness protocol (man 3 sd_notify), without its library: one datagram a message.
#pragma once

#include <string_view>

namespace easel {

// Sends `state`, such as "READY=1" or "STOPPING=1", to the socket that NOTIFY_SOCKET names: a path, or an
// abstract name after an @. Nothing happens where the variable is not set. A socket that cannot be reached is
// told in the log and changes nothing else: a server that works is not stopped for want of a listener. Any
// thread; does not block on a reader that is slow.
void NotifySystemd(std::string_view state);

}  // namespace easel

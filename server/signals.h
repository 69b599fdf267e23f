// SIGTERM, SIGINT and SIGHUP as calls on a thread of their own, where anything may be done.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace easel {

class Signals {
 public:
  // `on_stop(n)` is called for the n-th SIGTERM or SIGINT, from 1; `on_reload()` for a SIGHUP. To be built
  // before any other thread, since threads inherit which signals they take; until then each of them ends the
  // process as usual.
  Signals(std::function<void(int)> on_stop, std::function<void()> on_reload);
  // No call after this.
  ~Signals();

 private:
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace easel

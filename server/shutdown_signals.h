// SIGTERM and SIGINT as calls on a thread of their own, where anything may be done.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace easel {

class ShutdownSignals {
 public:
  // `on_signal(n)` is called for the n-th signal, from 1. To be built before any other thread, since threads
  // inherit which signals they take; until then both signals end the process as usual.
  explicit ShutdownSignals(std::function<void(int)> on_signal);
  // No call after this.
  ~ShutdownSignals();

 private:
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace easel

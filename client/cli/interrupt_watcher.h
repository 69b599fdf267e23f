// Ctrl-C and SIGTERM, as an event on a thread of its own instead of in a signal handler.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace easel {

// Holds both signals back until an InterruptWatcher takes them. Call it before any thread exists: threads
// inherit it.
void BlockInterrupts();

// REQUIRES: BlockInterrupts was called.
class InterruptWatcher {
 public:
  // Calls `on_interrupt`, on its thread, at the first signal, one that came before included. A second one
  // ends the process at once, with exit code 128 + signal.
  explicit InterruptWatcher(std::function<void()> on_interrupt);
  ~InterruptWatcher();  // on_interrupt is not called any more
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

  // The signal that came; 0: none.
  int signal() const { return signal_; }

 private:
  void Run();

  // Constant after construction.
  const std::function<void()> on_interrupt_;
  const int signals_;  // a signalfd
  const int stop_;     // an eventfd

  std::atomic<int> signal_ = 0;
  std::thread thread_;
};

}  // namespace easel

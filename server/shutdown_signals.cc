#include "server/shutdown_signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace easel {

ShutdownSignals::ShutdownSignals(std::function<void(int)> on_signal) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([this, signals, on_signal = std::move(on_signal)] {
    for (int count = 1;; ++count) {
      int signal = 0;
      sigwait(&signals, &signal);
      if (stopping_) return;
      on_signal(count);
    }
  });
}

ShutdownSignals::~ShutdownSignals() {
  stopping_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

}  // namespace easel

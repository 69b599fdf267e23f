#include "server/signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace easel {

Signals::Signals(std::function<void(int)> on_stop, std::function<void()> on_reload) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([this, signals, on_stop = std::move(on_stop), on_reload = std::move(on_reload)] {
    for (int stops = 0;;) {
      int signal = 0;
      sigwait(&signals, &signal);
      if (ending_) return;
      if (signal == SIGHUP) {
        on_reload();
      } else {
        on_stop(++stops);
      }
    }
  });
}

Signals::~Signals() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

}  // namespace easel

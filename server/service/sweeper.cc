#include "server/service/sweeper.h"

#include <utility>

#include "absl/time/clock.h"

namespace easel {

Sweeper::Sweeper(absl::Duration period, std::function<void()> sweep)
    : period_(period), sweep_(std::move(sweep)), thread_([this] { Run(); }) {}

Sweeper::~Sweeper() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    mutex_.NotifyAll();
  }
  thread_.join();
}

void Sweeper::Run() {
  for (;;) {
    {
      MutexLock lock(&mutex_);
      const bool stop = mutex_.Await(
          [this] {
            mutex_.AssertHeld();
            return stopping_;
          },
          absl::Now() + period_);
      if (stop) return;
    }
    sweep_();
  }
}

}  // namespace easel

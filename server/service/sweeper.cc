#include "server/service/sweeper.h"

#include <utility>

#include "server/sync/steady_now.h"

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

void Sweeper::SweepNow() {
  MutexLock lock(&mutex_);
  due_ = true;
  mutex_.NotifyAll();
}

void Sweeper::Run() {
  for (;;) {
    {
      MutexLock lock(&mutex_);
      mutex_.Await(
          [this] {
            mutex_.AssertHeld();
            return stopping_ || due_;
          },
          SteadyNow() + period_);
      if (stopping_) return;
      due_ = false;
    }
    sweep_();
  }
}

}  // namespace easel

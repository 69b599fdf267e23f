// The server's time.
#pragma once

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace easel {

// The wall clock's when this was first asked, and since then a steady clock's: deadlines, shares and measured
// times must not jump when somebody sets the machine's clock. Not for dates that come from outside, such as a
// certificate's. Thread-safe.
inline absl::Time SteadyNow() {
  using Clock = std::chrono::steady_clock;
  struct Start {
    absl::Time wall = absl::Now();
    Clock::time_point steady = Clock::now();
  };
  static const Start start;
  return start.wall + absl::FromChrono(Clock::now() - start.steady);
}

}  // namespace easel

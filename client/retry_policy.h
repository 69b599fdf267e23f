// When a call that failed is tried again, and how long after. Pure: told the time and the chance.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace easel {

// The RetryInfo of a server's status; nothing where it has none.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// Of one call that may be repeated without harm.
class RetryPolicy {
 public:
  // At most `retries` repetitions, none that would begin at `deadline` or later.
  RetryPolicy(int retries, absl::Time deadline) : left_(retries), deadline_(deadline) {}

  // After a try has ended with `status`: how long to wait before the next; nothing: that was the last.
  // Tried again is UNAVAILABLE, and RESOURCE_EXHAUSTED with a RetryInfo: what is bigger than the device has
  // none. The wait is the RetryInfo's and up to half as much again, so that those refused together do not
  // come together; without one, it doubles from a quarter of a second. To wait more than a minute is the
  // caller's to decide. `chance`: in [0, 1).
  std::optional<absl::Duration> After(const absl::Status& status, absl::Time now, double chance);

 private:
  int left_;
  const absl::Time deadline_;
  absl::Duration backoff_ = absl::Milliseconds(250);
};

}  // namespace easel

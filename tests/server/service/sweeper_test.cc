#include "server/service/sweeper.h"

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"

namespace easel {
namespace {

TEST(SweeperTest, SweepsAgainAndAgainUntilItIsDestroyed) {
  int sweeps = 0;
  absl::Notification third;
  {
    Sweeper sweeper(absl::ZeroDuration(), [&] {
      if (++sweeps == 3) third.Notify();
    });
    third.WaitForNotification();
  }
  EXPECT_GE(sweeps, 3);  // and no more of them: read without a lock, after its thread
}

TEST(SweeperTest, SweepsAtOnceWhenToldTo) {
  absl::Notification swept;
  Sweeper sweeper(absl::Hours(1), [&] { swept.Notify(); });  // a second time would be a fault
  sweeper.SweepNow();
  swept.WaitForNotification();
}

TEST(SweeperTest, IsDestroyedWithoutWaitingForItsPeriod) {
  Sweeper sweeper(absl::Hours(1), [] { FAIL(); });
}

}  // namespace
}  // namespace easel

#include "client/cli/interrupt_watcher.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "absl/synchronization/notification.h"

namespace easel {
namespace {

// Each in a process of its own, for signals go to whole processes.
class InterruptWatcherDeathTest : public ::testing::Test {
 protected:
  InterruptWatcherDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void InterruptBeforeAndAfter() {
  BlockInterrupts();
  kill(getpid(), SIGINT);  // early: must not be lost
  absl::Notification called;
  int signal = 0;
  {
    InterruptWatcher watcher([&] { called.Notify(); });
    called.WaitForNotification();
    signal = watcher.signal();
  }
  _exit(signal == SIGINT ? 42 : 1);
}

[[noreturn]] void InterruptTwice() {
  BlockInterrupts();
  InterruptWatcher watcher([&] { kill(getpid(), SIGINT); });
  kill(getpid(), SIGINT);
  absl::Notification().WaitForNotification();  // for ever: the second signal ends the process
  _exit(1);
}

TEST_F(InterruptWatcherDeathTest, TellsTheFirstSignal) {
  EXPECT_EXIT(InterruptBeforeAndAfter(), ::testing::ExitedWithCode(42), "");
}

TEST_F(InterruptWatcherDeathTest, EndsAtTheSecond) {
  EXPECT_EXIT(InterruptTwice(), ::testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace easel

#include "server/sync/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"

namespace easel {
namespace {

TEST(ThreadPool, RunsEverythingBeforeItIsGone) {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool(3);
    for (int i = 0; i < 1000; ++i) pool.Submit([&] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPool, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 100; ++i) pool.Submit([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

// Both tasks wait for each other: with one thread this would never end.
TEST(ThreadPool, ThreadsWorkAtTheSameTime) {
  auto* barrier = new absl::Barrier(2);
  ThreadPool pool(2);
  for (int i = 0; i < 2; ++i) {
    pool.Submit([barrier] {
      if (barrier->Block()) delete barrier;
    });
  }
}

TEST(ThreadPool, TasksMaySubmit) {
  absl::Notification done;
  ThreadPool pool(1);
  pool.Submit([&] { pool.Submit([&] { done.Notify(); }); });
  done.WaitForNotification();
}

}  // namespace
}  // namespace easel

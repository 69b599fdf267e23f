#include "server/engine/thread_team.h"

#include <gtest/gtest.h>

#include <barrier>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace easel {
namespace {

TEST(ThreadTeamTest, EachTaskOnceInEveryRound) {
  for (int threads : {1, 2, 4}) {
    ThreadTeam team(threads);
    EXPECT_EQ(team.size(), threads);
    for (int round = 0; round < 50; ++round) {
      std::vector<int> done(round % 7);  // from fewer tasks than threads to more
      team.Run(static_cast<int>(done.size()), [&](int i) { ++done[i]; });
      for (int times : done) EXPECT_EQ(times, 1);
    }
  }
}

// Deadlocks, were the tasks run one after another.
TEST(ThreadTeamTest, TasksRunAtTheSameTime) {
  ThreadTeam team(3);
  std::barrier together(3);
  std::vector<std::thread::id> ids(3);
  team.Run(3, [&](int i) {
    together.arrive_and_wait();
    ids[i] = std::this_thread::get_id();
  });
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 3u);
}

TEST(ThreadTeamTest, AThrowReachesTheLeaderAndTheTeamGoesOn) {
  for (int threads : {1, 2}) {
    ThreadTeam team(threads);
    EXPECT_THROW(team.Run(4,
                          [](int i) {
                            if (i == 2) throw std::runtime_error("two");
                          }),
                 std::runtime_error);
    int sum[4] = {};
    team.Run(4, [&](int i) { sum[i] = i; });
    EXPECT_EQ(sum[0] + sum[1] + sum[2] + sum[3], 6);
  }
}

}  // namespace
}  // namespace easel

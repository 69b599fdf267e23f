#include "model/nn/spread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "tests/testing/on_threads.h"

namespace easel {
namespace {

using Piece = std::pair<int64_t, int64_t>;

// The pieces as they come.
std::vector<Piece> PiecesOf(int64_t n, int64_t piece) {
  std::vector<Piece> pieces((n + piece - 1) / piece);
  InPieces(n, piece, [&](int64_t begin, int64_t end) { pieces[begin / piece] = {begin, end}; });
  return pieces;
}

TEST(Spread, TheSamePiecesOnAnyNumberOfThreads) {
  const std::vector<Piece> expected = {{0, 4}, {4, 8}, {8, 9}};
  EXPECT_EQ(PiecesOf(9, 4), expected);
  EXPECT_TRUE(PiecesOf(0, 4).empty());
  int tasks = 0;
  const ForEach threads = OnThreads(&tasks), in_turn = ForEachInTurn;
  {
    const SpreadOver spread(threads);
    EXPECT_EQ(PiecesOf(9, 4), expected);
    EXPECT_EQ(tasks, 3);
    const SpreadOver inner(in_turn);
    EXPECT_EQ(PiecesOf(20, 4).size(), 5u);
  }
  EXPECT_EQ(PiecesOf(20, 4).size(), 5u);
  EXPECT_EQ(tasks, 3) << "the outer one within the inner, or one that is gone";
}

// Whoever owns threads need not bear being called again while it is at work.
TEST(Spread, PiecesOfAPieceAreDoneInTurn) {
  std::atomic<int> depth = 0, deepest = 0, done = 0;
  const ForEach here = [&](int n, const std::function<void(int)>& task) {
    if (++depth > deepest) deepest = depth.load();
    ForEachInTurn(n, task);
    --depth;
  };
  const SpreadOver spread(here);
  InPieces(2, 1, [&](int64_t, int64_t) { InPieces(3, 1, [&](int64_t, int64_t) { ++done; }); });
  EXPECT_EQ(done, 6);
  EXPECT_EQ(deepest, 1);
}

TEST(Spread, IsTheAffairOfOneThread) {
  int tasks = 0;
  const ForEach threads = OnThreads(&tasks);
  const SpreadOver spread(threads);
  std::thread([] { PiecesOf(9, 4); }).join();
  EXPECT_EQ(tasks, 0);
}

}  // namespace
}  // namespace easel

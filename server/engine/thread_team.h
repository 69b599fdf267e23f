// A fork-join team: one thread that leads, and helpers that wait for it. How one worker uses several cores:
// each takes rows of the forward, and each product stays on one thread (model/denoise.h says why).
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace easel {

// To be called first on each thread that runs networks: LibTorch keeps the count of intra-op threads for each
// thread in OpenMP, but for the whole process in MKL.
void UseOneIntraOpThread();

// Used by one thread at a time, its leader. Lock-free: the three-locks rule of the server stays true.
class ThreadTeam {
 public:
  // `threads` ≥ 1, the leader included.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls task(i) for every i in [0, n), each on some thread of the team, and returns when all are done. A
  // model's ForEach. Throws the first exception that a task threw, after the others are done.
  void Run(int n, const std::function<void(int)>& task);

 private:
  void Help();
  void TakeTasks();

  // Written by the leader before it raises `round_`, and then constant until every helper has left the round.
  const std::function<void(int)>* task_ = nullptr;
  int count_ = 0;
  bool stop_ = false;

  std::atomic<uint32_t> round_ = 0;    // raised by the leader: a round has begun
  std::atomic<int> next_ = 0;          // the next task to take
  std::atomic<int> helpers_busy_ = 0;  // in this round
  std::atomic<bool> failed_ = false;
  std::exception_ptr failure_;  // written by whoever set failed_ first

  std::vector<std::thread> helpers_;
};

}  // namespace easel

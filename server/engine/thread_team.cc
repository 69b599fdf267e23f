#include "server/engine/thread_team.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

namespace easel {

void UseOneIntraOpThread() { at::set_num_threads(1); }

ThreadTeam::ThreadTeam(int threads) {
  for (int i = 1; i < threads; ++i) helpers_.emplace_back([this] { Help(); });
}

ThreadTeam::~ThreadTeam() {
  stop_ = true;
  round_.fetch_add(1);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadTeam::Run(int n, const std::function<void(int)>& task) {
  if (n <= 1 || helpers_.empty()) {
    for (int i = 0; i < n; ++i) task(i);
    return;
  }
  task_ = &task;
  count_ = n;
  next_ = 0;
  failed_ = false;
  failure_ = nullptr;
  helpers_busy_ = static_cast<int>(helpers_.size());
  round_.fetch_add(1);
  round_.notify_all();
  TakeTasks();
  for (int busy = helpers_busy_; busy != 0; busy = helpers_busy_) helpers_busy_.wait(busy);
  if (failed_) std::rethrow_exception(failure_);
}

void ThreadTeam::Help() {
  UseOneIntraOpThread();
  c10::InferenceMode inference;
  for (uint32_t round = 0;; ++round) {
    round_.wait(round);  // the leader starts no round before all have left the last, so that none is missed
    if (stop_) return;
    TakeTasks();
    if (helpers_busy_.fetch_sub(1) == 1) helpers_busy_.notify_one();
  }
}

void ThreadTeam::TakeTasks() {
  for (int i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) {
    try {
      (*task_)(i);
    } catch (...) {
      if (!failed_.exchange(true)) failure_ = std::current_exception();
    }
  }
}

}  // namespace easel

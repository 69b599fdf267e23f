#include "server/engine/job_queue.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "server/engine/estimate.h"

namespace easel {
namespace {

constexpr auto kDoNotWait = JobQueue::Patience::kDoNotWait;
constexpr auto kWaitForJobs = JobQueue::Patience::kWaitForJobs;

// Of so many seconds, and as many steps to be told by.
Job MakeJob(int seconds, std::string tenant = "") {
  Job job;
  job.spec.num_inference_steps = seconds;
  job.seconds_on.assign(3, seconds);
  job.tenant = std::move(tenant);
  return job;
}

std::vector<Job> MakeJobs(const std::vector<int>& steps) {
  std::vector<Job> jobs;
  for (int n : steps) jobs.push_back(MakeJob(n));
  return jobs;
}

std::vector<int> Steps(const JobQueue::Delivery& delivery) {
  std::vector<int> steps;
  for (const Job& job : delivery.jobs) steps.push_back(job.spec.num_inference_steps);
  return steps;
}

TEST(JobQueueTest, KeepsTheOrder) {
  JobQueue queue(1, 8);
  ASSERT_TRUE(queue.Push(MakeJobs({3, 1}), {0}).ok());
  ASSERT_TRUE(queue.Push(MakeJobs({2}), {0}).ok());
  EXPECT_EQ(Steps(queue.Take(0, kDoNotWait, 0)), std::vector<int>({3, 1, 2}));
  EXPECT_TRUE(queue.Take(0, kDoNotWait, 0).jobs.empty());
}

TEST(JobQueueTest, NobodyGetsWhatDoesNotFit) {
  JobQueue queue(2, 8);
  Job job = MakeJob(100);
  job.seconds_on[0] = std::numeric_limits<double>::infinity();
  std::vector<Job> jobs;
  jobs.push_back(job);
  ASSERT_TRUE(queue.Push(std::move(jobs), {0, 1}).ok());
  EXPECT_TRUE(queue.Take(0, kDoNotWait, 0).jobs.empty());
  JobQueue::Delivery delivery = queue.Take(1, kDoNotWait, 0);
  EXPECT_EQ(Steps(delivery), std::vector<int>({100}));
  // Nor when the one that it fits is lost.
  EXPECT_EQ(queue.Lose(1, std::move(delivery.jobs), {{0, 1}}).jobs.size(), 1u);
}

TEST(JobQueueTest, AllOrNothing) {
  JobQueue queue(1, 3);
  ASSERT_TRUE(queue.Push(MakeJobs({1, 1}), {0}).ok());
  EXPECT_EQ(queue.Push(MakeJobs({2, 2}), {0}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(queue.Push(MakeJobs({3}), {0}).ok());
  EXPECT_EQ(Steps(queue.Take(0, kDoNotWait, 0)), std::vector<int>({1, 1, 3}));
}

TEST(JobQueueTest, TakenJobsWaitUntilTheyBeginOrEnd) {
  JobQueue queue(1, 2);
  ASSERT_TRUE(queue.Push(MakeJobs({1, 1}), {0}).ok());
  const JobQueue::Delivery delivery = queue.Take(0, kDoNotWait, 0);
  EXPECT_EQ(queue.Push(MakeJobs({1}), {0}).code(), absl::StatusCode::kResourceExhausted);
  queue.Began(1);
  EXPECT_TRUE(queue.Push(MakeJobs({1}), {0}).ok());
  queue.Ended(delivery.jobs[1], JobQueue::Was::kWaiting);
  EXPECT_TRUE(queue.Push(MakeJobs({1}), {0}).ok());
  EXPECT_EQ(queue.Push(MakeJobs({1}), {0}).code(), absl::StatusCode::kResourceExhausted);
}

TEST(JobQueueTest, GivesToTheWorkerThatWouldBeDoneFirst) {
  JobQueue queue(3, 8);
  ASSERT_TRUE(queue.Push(MakeJobs({10, 6, 2, 2, 1}), {0, 1}).ok());
  EXPECT_EQ(Steps(queue.Take(0, kDoNotWait, 0)), std::vector<int>({10, 1}));
  EXPECT_EQ(Steps(queue.Take(1, kDoNotWait, 0)), std::vector<int>({6, 2, 2}));
  EXPECT_TRUE(queue.Take(2, kDoNotWait, 0).jobs.empty()) << "does not have the model";
  // What has been done since counts no more.
  queue.Take(1, kDoNotWait, 2);
  ASSERT_TRUE(queue.Push(MakeJobs({4, 4}), {0, 1}).ok());
  EXPECT_EQ(Steps(queue.Take(1, kDoNotWait, 2)), std::vector<int>({4, 4}));
}

TEST(JobQueueTest, AFasterWorkerMayHaveMoreToDo) {
  JobQueue queue(2, 8);
  Job job = MakeJob(1);
  job.seconds_on = {10, 3};
  queue.Take(1, kDoNotWait, /*seconds=*/6);
  std::vector<Job> jobs;
  jobs.push_back(std::move(job));
  ASSERT_TRUE(queue.Push(std::move(jobs), {0, 1}).ok());
  EXPECT_EQ(queue.Take(1, kDoNotWait, 6).jobs.size(), 1u);
}

TEST(JobQueueTest, ATenantHasAtMostItsCapUnderWay) {
  JobQueue queue(1, 8, /*tenant_capacity=*/2);
  const auto push = [&](const std::string& tenant) {
    std::vector<Job> jobs;
    jobs.push_back(MakeJob(1, tenant));
    return queue.Push(std::move(jobs), {0});
  };
  ASSERT_TRUE(push("a").ok());
  ASSERT_TRUE(push("a").ok());
  const absl::Status refused = push("a");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.message(), "tenant 'a' has 2 pictures under way of at most 2, and 1 more were asked for");
  EXPECT_TRUE(push("b").ok()) << "another's jobs do not count";
  const JobQueue::Delivery delivery = queue.Take(0, kDoNotWait, 0);
  queue.Began(1);
  EXPECT_FALSE(push("a").ok()) << "active ones count, too";
  queue.Ended(delivery.jobs[0], JobQueue::Was::kActive);
  EXPECT_TRUE(push("a").ok());
}

TEST(JobQueueTest, ARefusalTellsWhenThereWillBeRoom) {
  JobQueue queue(1, 4);
  ASSERT_TRUE(queue.Push(MakeJobs({3, 3, 3, 3}), {0}).ok());
  EXPECT_EQ(EstimatedSeconds(queue.Push(MakeJobs({1}), {0})), 3) << "one of four must end, of 12 s of work";
  EXPECT_EQ(EstimatedSeconds(queue.Push(MakeJobs({1, 1}), {0})), 6);
}

TEST(JobQueueTest, TheJobsOfALostWorkerGoToOthersThatHaveTheirModel) {
  const std::vector<std::vector<int>> workers_of = {{0, 1, 2}, {0}};
  JobQueue queue(3, 8);
  std::vector<Job> jobs = MakeJobs({1, 2, 3});
  jobs[1].model = 1;
  ASSERT_TRUE(queue.Push(std::move(jobs), {0}).ok());
  ASSERT_TRUE(queue.Push(MakeJobs({9}), {1}).ok());
  JobQueue::Delivery taken = queue.Take(0, kDoNotWait, 0);
  ASSERT_TRUE(queue.Push(MakeJobs({4}), {0}).ok());
  const JobQueue::Bereft bereft = queue.Lose(0, std::move(taken.jobs), workers_of);
  ASSERT_EQ(bereft.jobs.size(), 1u);
  EXPECT_EQ(bereft.jobs[0].model, 1);
  EXPECT_EQ(bereft.models, std::vector<int>({1}));
  EXPECT_EQ(Steps(queue.Take(2, kDoNotWait, 0)), std::vector<int>({1, 3, 4}))
      << "less than 9 in all until the last";
  EXPECT_EQ(queue.Push(MakeJobs({1}), {0}).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(queue.Push(MakeJobs({1}), {0, 1}).ok());
  EXPECT_EQ(Steps(queue.Take(1, kDoNotWait, 0)), std::vector<int>({9, 1}));
}

TEST(JobQueueTest, AfterStopALostWorkersJobsComeBack) {
  JobQueue queue(2, 8);
  ASSERT_TRUE(queue.Push(MakeJobs({1}), {0}).ok());
  queue.Stop();
  EXPECT_TRUE(queue.Take(1, kWaitForJobs, 0).stop);
  EXPECT_EQ(queue.Lose(0, {}, {{0, 1}}).jobs.size(), 1u);
}

TEST(JobQueueTest, AWaitingWorkerWakesForJobsAndToStop) {
  JobQueue queue(1, 8);
  std::vector<int> taken;
  bool stopped = false;
  std::thread worker([&] {
    taken = Steps(queue.Take(0, kWaitForJobs, 0));
    stopped = queue.Take(0, kWaitForJobs, 0).stop;
  });
  ASSERT_TRUE(queue.Push(MakeJobs({7}), {0}).ok());
  queue.Stop();
  worker.join();
  EXPECT_EQ(taken, std::vector<int>({7}));
  EXPECT_TRUE(stopped);
}

TEST(JobQueueTest, ClosedTakesNoMoreAndEmptiesWhenAllEnded) {
  JobQueue queue(1, 8);
  ASSERT_TRUE(queue.Push(MakeJobs({1}), {0}).ok());
  queue.Close();
  EXPECT_EQ(queue.Push(MakeJobs({1}), {0}).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(queue.AwaitEmpty(absl::InfinitePast()));
  std::thread worker([&] {
    const JobQueue::Delivery delivery = queue.Take(0, kWaitForJobs, 0);
    queue.Began(1);
    queue.Ended(delivery.jobs[0], JobQueue::Was::kActive);
  });
  EXPECT_TRUE(queue.AwaitEmpty(absl::InfiniteFuture()));
  worker.join();
}

}  // namespace
}  // namespace easel

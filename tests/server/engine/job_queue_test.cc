#include "server/engine/job_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace easel {
namespace {

constexpr auto kDoNotWait = JobQueue::Patience::kDoNotWait;
constexpr auto kWaitForJobs = JobQueue::Patience::kWaitForJobs;

Job MakeJob(int steps, int rows = 1) {
  Job job;
  job.spec.num_inference_steps = steps;
  job.rows = rows;
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
  EXPECT_EQ(Steps(queue.Take(0, kDoNotWait)), std::vector<int>({3, 1, 2}));
  EXPECT_TRUE(queue.Take(0, kDoNotWait).jobs.empty());
}

TEST(JobQueueTest, AllOrNothing) {
  JobQueue queue(1, 3);
  ASSERT_TRUE(queue.Push(MakeJobs({1, 1}), {0}).ok());
  EXPECT_EQ(queue.Push(MakeJobs({2, 2}), {0}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(queue.Push(MakeJobs({3}), {0}).ok());
  EXPECT_EQ(Steps(queue.Take(0, kDoNotWait)), std::vector<int>({1, 1, 3}));
}

TEST(JobQueueTest, TakenJobsWaitUntilTheyBeginOrEnd) {
  JobQueue queue(1, 2);
  ASSERT_TRUE(queue.Push(MakeJobs({1, 1}), {0}).ok());
  const JobQueue::Delivery delivery = queue.Take(0, kDoNotWait);
  EXPECT_EQ(queue.Push(MakeJobs({1}), {0}).code(), absl::StatusCode::kResourceExhausted);
  queue.Began(1);
  EXPECT_TRUE(queue.Push(MakeJobs({1}), {0}).ok());
  queue.Ended(0, delivery.jobs[1], JobQueue::Was::kWaiting);
  EXPECT_TRUE(queue.Push(MakeJobs({1}), {0}).ok());
  EXPECT_EQ(queue.Push(MakeJobs({1}), {0}).code(), absl::StatusCode::kResourceExhausted);
}

TEST(JobQueueTest, GivesToTheWorkerWithTheLeastWork) {
  JobQueue queue(3, 8);
  std::vector<Job> jobs;
  jobs.push_back(MakeJob(10));
  jobs.push_back(MakeJob(3, /*rows=*/2));
  jobs.push_back(MakeJob(2));
  jobs.push_back(MakeJob(2));  // 8 of the second worker is less than 10
  jobs.push_back(MakeJob(1));
  ASSERT_TRUE(queue.Push(std::move(jobs), {0, 1}).ok());
  EXPECT_EQ(Steps(queue.Take(0, kDoNotWait)), std::vector<int>({10, 1}));
  const JobQueue::Delivery second = queue.Take(1, kDoNotWait);
  EXPECT_EQ(Steps(second), std::vector<int>({3, 2, 2}));
  EXPECT_TRUE(queue.Take(2, kDoNotWait).jobs.empty()) << "does not have the model";
  // What has ended counts no more.
  for (const Job& job : second.jobs) queue.Ended(1, job, JobQueue::Was::kWaiting);
  ASSERT_TRUE(queue.Push(MakeJobs({4, 4}), {0, 1}).ok());
  EXPECT_EQ(Steps(queue.Take(1, kDoNotWait)), std::vector<int>({4, 4}));
}

TEST(JobQueueTest, TheJobsOfALostWorkerGoToOthersThatHaveTheirModel) {
  const std::vector<std::vector<int>> workers_of = {{0, 1, 2}, {0}};
  JobQueue queue(3, 8);
  std::vector<Job> jobs = MakeJobs({1, 2, 3});
  jobs[1].model = 1;
  ASSERT_TRUE(queue.Push(std::move(jobs), {0}).ok());
  ASSERT_TRUE(queue.Push(MakeJobs({9}), {1}).ok());
  JobQueue::Delivery taken = queue.Take(0, kDoNotWait);
  ASSERT_TRUE(queue.Push(MakeJobs({4}), {0}).ok());
  const JobQueue::Bereft bereft = queue.Lose(0, std::move(taken.jobs), workers_of);
  ASSERT_EQ(bereft.jobs.size(), 1u);
  EXPECT_EQ(bereft.jobs[0].model, 1);
  EXPECT_EQ(bereft.models, std::vector<int>({1}));
  EXPECT_EQ(Steps(queue.Take(2, kDoNotWait)), std::vector<int>({1, 3, 4}))
      << "less than 9 in all until the last";
  EXPECT_EQ(queue.Push(MakeJobs({1}), {0}).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(queue.Push(MakeJobs({1}), {0, 1}).ok());
  EXPECT_EQ(Steps(queue.Take(1, kDoNotWait)), std::vector<int>({9, 1}));
}

TEST(JobQueueTest, AfterStopALostWorkersJobsComeBack) {
  JobQueue queue(2, 8);
  ASSERT_TRUE(queue.Push(MakeJobs({1}), {0}).ok());
  queue.Stop();
  EXPECT_TRUE(queue.Take(1, kWaitForJobs).stop);
  EXPECT_EQ(queue.Lose(0, {}, {{0, 1}}).jobs.size(), 1u);
}

TEST(JobQueueTest, AWaitingWorkerWakesForJobsAndToStop) {
  JobQueue queue(1, 8);
  std::vector<int> taken;
  bool stopped = false;
  std::thread worker([&] {
    taken = Steps(queue.Take(0, kWaitForJobs));
    stopped = queue.Take(0, kWaitForJobs).stop;
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
    const JobQueue::Delivery delivery = queue.Take(0, kWaitForJobs);
    queue.Began(1);
    queue.Ended(0, delivery.jobs[0], JobQueue::Was::kActive);
  });
  EXPECT_TRUE(queue.AwaitEmpty(absl::InfiniteFuture()));
  worker.join();
}

}  // namespace
}  // namespace easel

// One thread on one device, turning: take jobs up, evaluate the network once for whoever's turn it is, finish
// one picture.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "model/pipeline.h"
#include "server/engine/batch_policy.h"
#include "server/engine/cost_model.h"
#include "server/engine/device_memory.h"
#include "server/engine/engine_observer.h"
#include "server/engine/guarded.h"
#include "server/engine/job.h"
#include "server/engine/job_queue.h"
#include "server/engine/memory_meter.h"
#include "server/engine/outlook.h"
#include "server/engine/row_caps.h"
#include "server/engine/thread_team.h"

namespace easel {

// One of the engine's models, as a worker sees it.
struct WorkerModel {
  std::string name;
  std::shared_ptr<const Pipeline> pipeline;  // null: not on this device
};

struct WorkerOptions {
  int index = 0;  // of its inbox
  int threads = 1;
  int max_batch_rows = 1;
  std::shared_ptr<const BatchPolicy> policy;  // not null
  CostModel* costs = nullptr;                 // not null; the worker's own to write
  std::vector<std::vector<int>> workers_of;   // each model; to whom the jobs go when the device is lost
  std::shared_ptr<DeviceMemory> memory;       // not null
  EngineObserver* observer = nullptr;         // not null
  std::function<absl::Time()> now;
};

class Worker {
 public:
  // Starts the thread. `models`: as many as the engine has, at least one of them here. `queue` and
  // what `options` points at must outlive the worker.
  Worker(std::vector<WorkerModel> models, JobQueue* queue, WorkerOptions options);
  // REQUIRES: the queue was stopped. Waits for the thread, which first fails the jobs it has with
  // Unavailable. A thread whose device is lost has ended before: JobQueue::Lose says what becomes of its
  // jobs.
  ~Worker();

 private:
  // A job taken up.
  struct Active {
    Job job;
    uint64_t arrived = 0;       // rank by age
    uint64_t last_served = 0;   // the number of the evaluation it last took part in; 0: none yet
    absl::Time last_served_at;  // before the first: when it was submitted
    ForwardShape shape = {};
    std::shared_ptr<const GuidedConditioning> conditioning;
    std::unique_ptr<Sampler> sampler;
    JobAccounting accounting;
    absl::Time began_denoising;
    int64_t batch_sizes = 0;   // summed over its evaluations
    uint64_t preview_due = 0;  // the evaluation after which its preview came due; 0: none is
    bool previewed = false;
    bool ended = false;  // its listener had the last event; forgotten at the end of the turn
  };
  struct Waiting {
    Job job;
    uint64_t arrived = 0;
    int told_position = -1;
    std::optional<double> foretold_wait = {};  // since it was submitted, when it was told first
  };
  enum class Decoded { kNo, kYes };

  void Run();
  void Turn();
  void FailAll(const absl::Status& status);
  void Leave();
  // The parts of a turn, in their order. A job that fails in one ends there, and its neighbours go on.
  bool Receive();  // false: stopped
  void HearOfDeadlines();
  void RefuseWhatCannotBeDone(size_t newest);  // of the last so many that wait
  void DropCancelledAndExpired();              // and the hopeless
  void Admit();
  void TellPositions();
  void Evaluate();
  Decoded Finish();               // one picture at most, whose turn it is: the others wait for one decode
  void Preview(Decoded decoded);  // linear previews, and one by the decoder when it is free

  void TakeUp(Waiting waiting);
  absl::Status Begin(Active& active, const Active* previous);
  void EvaluateOrEnd(const std::vector<Active*>& batch);
  absl::Status EvaluateTogether(const std::vector<Active*>& batch);
  absl::Status TooBig(const Active& active, const absl::Status& status) const;
  absl::StatusOr<Image> DecodeMeasured(const Active& active);
  int RowCap(const ForwardShape& shape) const;
  void Advanced(Active& active, int batch_size, absl::Time now);
  void ShowPreview(Active& active);
  void End(Active& active, absl::StatusOr<Image> result);
  void EndJob(const Job& job, absl::StatusOr<Image> result, JobAccounting accounting, JobQueue::Was was);
  std::vector<Active*> Denoising() const;
  Active* NextToDecode() const;  // null: none is done
  static int EvaluationsLeft(const Active& active);
  static JobWork WorkLeft(const Active& active);
  static JobWork WorkLeft(const Waiting& waiting);
  BatchCandidate CandidateOf(const Active& active, absl::Time now) const;
  BatchCandidate CandidateOf(const Waiting& waiting, absl::Time now) const;
  // Of the jobs taken up, which keep their seats until they are decoded, and of those that wait.
  enum class Which { kAll, kDenoising };
  std::vector<BatchCandidate> ActiveCandidates(absl::Time now, Which which = Which::kAll) const;
  std::vector<BatchCandidate> WaitingCandidates(absl::Time now) const;
  double SecondsOfWork() const;
  // As Caught; remembers the loss of the device.
  template <typename Work>
  absl::Status Guarded(const char* name, Work work) {
    absl::Status status = Caught(name, work);
    if (absl::IsUnavailable(status)) {
      status =
          absl::UnavailableError(absl::StrCat("the device ", device_name_, " was lost: ", status.message()));
      lost_ = status;
    }
    return status;
  }
  double Measured(const Job& job, Stage stage, absl::Time began);  // the seconds; tells the observer
  void Spent(const Job& job, double seconds, absl::Time now);      // of the worker's time, for the job

  const Pipeline& PipelineOf(const Job& job) const { return *models_[job.model].pipeline; }
  const std::string& NameOf(const Job& job) const { return models_[job.model].name; }

  // Constant after construction.
  const std::vector<WorkerModel> models_;
  const WorkerOptions options_;
  c10::Device device_ = c10::Device(c10::kCPU);
  std::string device_name_;
  JobQueue* const queue_;

  // The thread's own.
  std::optional<ThreadTeam> team_;
  std::deque<Waiting> waiting_;
  std::vector<std::unique_ptr<Active>> active_;  // by age
  Outlook outlook_;
  RowCaps row_caps_;
  absl::Status lost_;  // not OK: why the device is lost, and the thread ends
  uint64_t evaluations_ = 0;
  uint64_t arrived_ = 0;
  bool line_changed_ = false;  // a job came, began or ended since the waiting were told their places

  std::thread thread_;  // last, so that it finds all of the above
};

}  // namespace easel

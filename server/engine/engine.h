// The door to the devices: takes specs, gives handles, tells listeners. Many jobs share each forward of a
// network, and a job joins and leaves between two forwards:
//
//   Submit ──► JobQueue ──► Worker (one thread a device, some a CPU): Admit → Evaluate → Finish, turn by turn
//   any thread              owns its jobs, asks its Batcher who shares the next forward, calls the
//   JobListeners
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/generation_spec.h"
#include "model/model_info.h"
#include "server/engine/batch_policy.h"
#include "server/engine/job.h"
#include "server/engine/job_listener.h"
#include "server/engine/model_costs.h"
#include "server/sync/steady_now.h"

namespace easel {

class CostModel;
class DeviceMemory;
class EngineObserver;
class JobQueue;
class Pipeline;
class Worker;

struct EngineOptions {
  // Workers on the CPU and threads each, see ChooseCpuLayout. Another device has one worker of one thread.
  int cpu_workers = 1;
  int cpu_threads = 1;
  // Rows of a forward, of which each shape has its own limit below, where more gain nothing; a guided picture
  // takes two. 0: MaxBatchRows.
  int max_batch_rows = 0;
  // Jobs accepted but not yet taken up by a worker.
  int max_queue = 64;
  // Jobs of one tenant, waiting and active; 0: no such limit.
  int max_tenant_jobs = 0;
  // Who shares a forward and who may begin; null: Batcher.
  BatchPolicyFactory policy;
  // What was measured beforehand (measure_costs.h), so that the first jobs, too, are judged by it.
  std::vector<ModelCosts> known_costs;
  // Bytes that forwards and decodes may take on each device. 0: what is free at start, less a tenth for what
  // LibTorch's allocators do not see.
  int64_t memory_bytes = 0;
  // May be null; must outlive the engine.
  EngineObserver* observer = nullptr;
  // For deadlines and all measuring.
  std::function<absl::Time()> now = SteadyNow;
};

// Rows of a forward where max_batch_rows is 0: 16 on a CPU, else 32.
int MaxBatchRows(std::string_view device);

// A model and its name in requests. The same name may come once a device.
struct NamedPipeline {
  std::string name;
  std::shared_ptr<const Pipeline> pipeline;
};

// What Engine::models tells.
struct ServedModel {
  std::string name;
  ModelInfo info;
  std::string device;  // "cpu", "cuda:0"; those of several devices joined by commas
  std::string dtype;   // such as "float32"
};

// One picture of a request: what to draw and who hears of it.
struct PictureRequest {
  GenerationSpec spec;
  std::shared_ptr<JobListener> listener;  // not null
};

struct SubmitOptions {
  absl::Time deadline = absl::InfiniteFuture();
  int preview_every_n_steps = 0;  // 0: none
  std::string preview_method;     // one of ModelInfo::preview_methods; empty: the first
  // Who asks, and how much of the workers is its share: tenants with jobs share each worker in the proportion
  // of their weights (> 0). "" is a tenant like any other.
  std::string tenant;
  double weight = 1;
  int priority = 0;  // -100 … 100: what goes first of the tenant's jobs
};

// Thread-safe.
class Engine {
 public:
  // REQUIRES: at least one model; a name at most once a device; positive options.
  Engine(std::vector<NamedPipeline> models, EngineOptions options);
  // Drains at once: every job has had its last event when this returns.
  ~Engine();

  // By first appearance; the first is the default.
  const std::vector<ServedModel>& models() const { return models_; }

  // Takes all of the pictures or none; empty `model`: the default. Tokenizes on the calling thread, then
  // returns: everything else comes to the listeners. The handles are in the order of `pictures`. Errors,
  // after which no listener is called:
  //   NotFound           no such model
  //   InvalidArgument    the message begins with the field's name: one of GenerationSpec's, or `num_images`,
  //                      `preview_method`, `preview_every_n_steps`
  //   DeadlineExceeded   the deadline has passed already, or cannot be met even if the picture were made
  //   alone
  //                      (then with an estimate, see estimate.h)
  //   ResourceExhausted  more than max_queue jobs would wait, or the tenant would have more than
  //   max_tenant_jobs:
  //                      with an estimate; or one is bigger than every device of the model (refusal.h), where
  //                      known_costs have bytes or the model's pictures have been measured
  //   Unavailable        draining, or every device that had the model is lost
  absl::StatusOr<std::vector<JobHandle>> Submit(std::string_view model, std::vector<PictureRequest> pictures,
                                                const SubmitOptions& options = {});

  // Takes no more jobs, waits for those it has, fails with Unavailable what is not done by `deadline` (at the
  // next turn), and ends the workers. Blocks. Called by one thread at a time; once drained, the engine stays
  // so.
  void Drain(absl::Time deadline);
  // Takes no more jobs and fails those it has with Unavailable (at the next turn), so that a Drain under way
  // ends. Any thread.
  void Stop();

 private:
  // Where one of models_ is.
  struct Replicas {
    std::vector<std::shared_ptr<const Pipeline>> pipelines;
    std::vector<int> workers;  // that have one of them
  };

  absl::StatusOr<std::vector<JobHandle>> TrySubmit(int model, std::vector<PictureRequest> pictures,
                                                   const SubmitOptions& options);
  absl::Status PredictCost(Job& job) const;
  absl::Status FitsSomewhere(int model, Job& job) const;
  void StartWorkers(const std::vector<NamedPipeline>& models);

  // Constant after construction, and so read by any thread.
  EngineOptions options_;
  std::vector<ServedModel> models_;
  std::vector<Replicas> replicas_;  // of each model

  bool drops_hopeless_ = true;

  std::vector<std::unique_ptr<CostModel>> costs_;      // of each worker
  std::vector<std::shared_ptr<DeviceMemory>> memory_;  // of each worker's device

  std::unique_ptr<JobQueue> queue_;
  std::vector<std::unique_ptr<Worker>> workers_;  // emptied by Drain
};

}  // namespace easel

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
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/generation_spec.h"
#include "model/model_info.h"
#include "server/engine/job.h"
#include "server/engine/job_listener.h"

namespace easel {

class DeviceMemory;
class EngineObserver;
class JobQueue;
class Pipeline;
class Worker;

struct EngineOptions {
  // Workers on the CPU and threads each, see ChooseCpuLayout. Another device has one worker of one thread.
  int cpu_workers = 1;
  int cpu_threads = 1;
  // Rows of a forward; a guided picture takes two. 0: 16 on a CPU, where more rows gain nothing, else 32.
  int max_batch_rows = 0;
  // Jobs accepted but not yet taken up by a worker.
  int max_queue = 64;
  // Bytes that forwards and decodes may take on each device. 0: what is free at start, less a tenth for what
  // LibTorch's allocators do not see.
  int64_t memory_bytes = 0;
  // May be null; must outlive the engine.
  EngineObserver* observer = nullptr;
  // For deadlines and all measuring.
  std::function<absl::Time()> now = absl::Now;
};

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
  //   DeadlineExceeded   the deadline has passed already
  //   ResourceExhausted  more than max_queue jobs would wait; or one is bigger than every device of the model
  //                      (refusal.h), once the model's pictures have been measured
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
  absl::Status FitsSomewhere(int model, const Job& job) const;
  void StartWorkers(const std::vector<NamedPipeline>& models);

  // Constant after construction, and so read by any thread.
  EngineOptions options_;
  std::vector<ServedModel> models_;
  std::vector<Replicas> replicas_;  // of each model

  std::vector<std::shared_ptr<DeviceMemory>> memory_;  // of each worker's device

  std::unique_ptr<JobQueue> queue_;
  std::vector<std::unique_ptr<Worker>> workers_;  // emptied by Drain
};

}  // namespace easel

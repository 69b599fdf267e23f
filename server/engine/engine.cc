#include "server/engine/engine.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "model/io/status_macros.h"
#include "model/pipeline.h"
#include "model/sampling/sampler.h"
#include "server/engine/batcher.h"
#include "server/engine/cost_model.h"
#include "server/engine/device_memory.h"
#include "server/engine/engine_observer.h"
#include "server/engine/estimate.h"
#include "server/engine/job_queue.h"
#include "server/engine/outlook.h"
#include "server/engine/worker.h"

namespace easel {
namespace {

constexpr double kGuessedSecondsOfARow = 0.05;
constexpr double kUsableMemory = 0.9;  // of what is free

EngineObserver* NoObserver() {
  static EngineObserver observer;
  return &observer;
}

std::string DtypeName(c10::ScalarType dtype) {
  switch (dtype) {
    case c10::kBFloat16:
      return "bfloat16";
    case c10::kHalf:
      return "float16";
    default:
      return "float32";
  }
}

// Whether two pictures of a request start from the same tokens, to be combined alike.
bool SamePrompts(const GenerationSpec& a, const GenerationSpec& b) {
  return a.prompt == b.prompt && a.class_label == b.class_label && a.negative_prompt == b.negative_prompt &&
         a.guidance_scale == b.guidance_scale && a.true_cfg_scale == b.true_cfg_scale &&
         a.guidance_rescale == b.guidance_rescale;
}

// What one of the device's `workers` may take at a time.
int64_t BytesOfAWorker(c10::Device device, int workers, const EngineOptions& options) {
  if (options.memory_bytes > 0) return options.memory_bytes / workers;
  const std::optional<int64_t> free = FreeMemory(device);
  if (!free.has_value()) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(kUsableMemory * static_cast<double>(*free / workers));
}

// The method that previews are made by, once checked.
absl::StatusOr<std::string> PreviewMethod(const ModelInfo& info, const SubmitOptions& options) {
  if (options.preview_every_n_steps < 0) {
    return absl::InvalidArgumentError(absl::StrCat("preview_every_n_steps is ", options.preview_every_n_steps,
                                                   "; it must not be negative"));
  }
  const std::vector<std::string>& methods = info.preview_methods;
  if (options.preview_method.empty()) {
    if (options.preview_every_n_steps > 0 && methods.empty()) {
      return absl::InvalidArgumentError("preview_every_n_steps: this model has no previews");
    }
    return methods.empty() ? "" : methods.front();
  }
  if (std::find(methods.begin(), methods.end(), options.preview_method) == methods.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("preview_method: '", options.preview_method,
                     "' is not known; this model has: ", absl::StrJoin(methods, ", ")));
  }
  return options.preview_method;
}

}  // namespace

int MaxBatchRows(std::string_view device) { return device == "cpu" ? 16 : 32; }

Engine::Engine(std::vector<NamedPipeline> models, EngineOptions options) : options_(std::move(options)) {
  if (options_.observer == nullptr) options_.observer = NoObserver();
  if (options_.policy == nullptr)
    options_.policy = [](int max_rows) { return std::make_unique<Batcher>(max_rows); };
  for (const NamedPipeline& model : models) {
    const auto known = std::find_if(models_.begin(), models_.end(),
                                    [&](const ServedModel& served) { return served.name == model.name; });
    const std::string device = model.pipeline->device().str();
    if (known == models_.end()) {
      models_.push_back({model.name, model.pipeline->info(), device, DtypeName(model.pipeline->dtype())});
      replicas_.push_back({{model.pipeline}, {}});
    } else {
      absl::StrAppend(&known->device, ",", device);
      replicas_[known - models_.begin()].pipelines.push_back(model.pipeline);
    }
  }
  StartWorkers(models);
}

Engine::~Engine() { Drain(absl::InfinitePast()); }

void Engine::StartWorkers(const std::vector<NamedPipeline>& models) {
  std::vector<c10::Device> devices;  // one entry a worker
  for (const NamedPipeline& model : models) {
    const c10::Device device = model.pipeline->device();
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) continue;
    const int workers = device.is_cpu() ? options_.cpu_workers : 1;
    devices.insert(devices.end(), workers, device);
    memory_.insert(memory_.end(), workers,
                   std::make_shared<DeviceMemory>(BytesOfAWorker(device, workers, options_)));
  }
  const int count = static_cast<int>(devices.size());
  queue_ = std::make_unique<JobQueue>(count, options_.max_queue, options_.max_tenant_jobs);
  // All is in its place before a thread runs.
  std::vector<std::vector<WorkerModel>> here(count);
  std::vector<std::vector<int>> workers_of(models_.size());
  for (size_t m = 0; m < models_.size(); ++m) {
    for (int i = 0; i < count; ++i) {
      here[i].push_back({models_[m].name, nullptr});
      for (const auto& pipeline : replicas_[m].pipelines) {
        if (pipeline->device() != devices[i]) continue;
        here[i].back().pipeline = pipeline;
        workers_of[m].push_back(i);
      }
    }
    replicas_[m].workers = workers_of[m];
  }
  for (int i = 0; i < count; ++i) {
    const bool cpu = devices[i].is_cpu();
    WorkerOptions options;
    options.index = i;
    options.workers_of = workers_of;
    options.memory = memory_[i];
    options.threads = cpu ? options_.cpu_threads : 1;
    options.max_batch_rows = options_.max_batch_rows;
    if (options.max_batch_rows == 0) options.max_batch_rows = MaxBatchRows(devices[i].str());
    options.policy = options_.policy(options.max_batch_rows);
    drops_hopeless_ = options.policy->drops_hopeless();
    costs_.push_back(std::make_unique<CostModel>(options.max_batch_rows));
    options.costs = costs_.back().get();
    options.observer = options_.observer;
    options.now = options_.now;
    for (size_t m = 0; m < models_.size(); ++m) {
      for (const ModelCosts& costs : options_.known_costs) {
        if (costs.model != models_[m].name || costs.device != devices[i].str()) continue;
        options.costs->Learn(static_cast<int>(m), costs);
        memory_[i]->Learn(static_cast<int>(m), costs);
      }
    }
    workers_.push_back(std::make_unique<Worker>(std::move(here[i]), queue_.get(), std::move(options)));
  }
}

absl::StatusOr<std::vector<JobHandle>> Engine::Submit(std::string_view model,
                                                      std::vector<PictureRequest> pictures,
                                                      const SubmitOptions& options) {
  const int count = static_cast<int>(pictures.size());
  size_t index = 0;
  while (!model.empty() && index < models_.size() && models_[index].name != model) ++index;
  if (index == models_.size()) {
    options_.observer->OnRejected("", absl::StatusCode::kNotFound, count);
    std::vector<std::string> names;
    for (const ServedModel& served : models_) names.push_back(served.name);
    return absl::NotFoundError(absl::StrCat("model: there is no '", std::string(model),
                                            "'; served are: ", absl::StrJoin(names, ", ")));
  }
  auto handles = TrySubmit(static_cast<int>(index), std::move(pictures), options);
  if (!handles.ok()) {
    const std::string& name = models_[index].name;
    options_.observer->OnRejected(name, handles.status().code(), count);
    if (absl::IsDeadlineExceeded(handles.status())) {
      for (int i = 0; i < count; ++i) options_.observer->OnDeadlineRefused(name);
    }
  }
  return handles;
}

absl::StatusOr<std::vector<JobHandle>> Engine::TrySubmit(int model, std::vector<PictureRequest> pictures,
                                                         const SubmitOptions& options) {
  const absl::Time submitted = options_.now();
  const Pipeline& pipeline = *replicas_[model].pipelines.front();
  const std::string& name = models_[model].name;
  if (pictures.empty())
    return absl::InvalidArgumentError("num_images: 0 is not allowed; it must be at least 1");
  EASEL_ASSIGN_OR_RETURN(const std::string preview_method, PreviewMethod(pipeline.info(), options));
  for (const PictureRequest& picture : pictures) EASEL_RETURN_IF_ERROR(pipeline.Validate(picture.spec));
  if (options.deadline <= submitted) return absl::DeadlineExceededError("the deadline has already passed");

  std::vector<Job> jobs;
  std::vector<JobHandle> handles;
  for (PictureRequest& picture : pictures) {
    Job job;
    if (!jobs.empty() && SamePrompts(jobs.back().spec, picture.spec)) {
      job.prompts = jobs.back().prompts;
    } else {
      const absl::Time began = options_.now();
      EASEL_ASSIGN_OR_RETURN(TokenizedPrompts prompts, pipeline.Tokenize(picture.spec));
      job.prompts = std::make_shared<const TokenizedPrompts>(std::move(prompts));
      options_.observer->OnStage(name, Stage::kTokenize, absl::ToDoubleSeconds(options_.now() - began));
    }
    auto cancelled = std::make_shared<CancelFlag>(false);
    auto deadline = std::make_shared<JobDeadline>(options.deadline);
    handles.emplace_back(cancelled, job.prompts->tokens_cut, deadline);
    job.model = model;
    job.spec = std::move(picture.spec);
    job.listener = std::move(picture.listener);
    job.cancelled = std::move(cancelled);
    job.submitted = submitted;
    job.deadline = options.deadline;
    job.put_off = std::move(deadline);
    job.preview_every_n_steps = options.preview_every_n_steps;
    job.preview_method = preview_method;
    job.rows = job.prompts->conditional.has_value() + job.prompts->unconditional.has_value();
    job.evaluations = TotalEvaluations(job.spec.sampler, job.spec.num_inference_steps);
    job.tenant = options.tenant;
    job.weight = options.weight;
    job.priority = options.priority;
    EASEL_RETURN_IF_ERROR(PredictCost(job));
    EASEL_RETURN_IF_ERROR(FitsSomewhere(model, job));
    jobs.push_back(std::move(job));
  }
  const int count = static_cast<int>(jobs.size());
  EASEL_RETURN_IF_ERROR(queue_->Push(std::move(jobs), replicas_[model].workers));
  options_.observer->OnAdmitted(name, count);
  options_.observer->OnDepthChanged(/*waiting=*/count, /*active=*/0);
  return handles;
}

// Fills in seconds_on: where forwards of its shape are not known yet, a guess that keeps the balance. Not OK:
// none of the workers could be done by the deadline.
absl::Status Engine::PredictCost(Job& job) const {
  job.seconds_on.assign(costs_.size(), 0);
  double least = std::numeric_limits<double>::infinity();
  for (int worker : replicas_[job.model].workers) {
    const JobCost cost = costs_[worker]->Predict(WholeWork(job));
    job.seconds_on[worker] = cost.seconds.value_or(kGuessedSecondsOfARow * job.rows * job.evaluations);
    least = std::min(least, cost.least);
  }
  if (!drops_hopeless_ || job.deadline == absl::InfiniteFuture()) return absl::OkStatus();
  const double seconds_to_deadline = absl::ToDoubleSeconds(job.deadline - job.submitted);
  if (least <= seconds_to_deadline) return absl::OkStatus();
  return WithEstimatedSeconds(
      absl::DeadlineExceededError(absl::StrFormat(
          "the picture takes %.2f s at best, and the deadline is in %.2f s", least, seconds_to_deadline)),
      least);
}

// Whether one of the model's devices could hold the job's work, had it nothing else; seconds_on of one that
// could not becomes infinite.
absl::Status Engine::FitsSomewhere(int model, Job& job) const {
  const ModelInfo& info = models_[model].info;
  const ForwardShape shape = {model, info.latent_channels, job.spec.height / info.latent_downscale,
                              job.spec.width / info.latent_downscale, /*text length, not known yet*/ 0};
  bool fits = false;
  absl::Status status;
  for (int worker : replicas_[model].workers) {
    const absl::Status here = memory_[worker]->Fits(shape, job.rows);
    fits |= here.ok();
    if (!here.ok()) {
      status = here;
      job.seconds_on[worker] = std::numeric_limits<double>::infinity();
    }
  }
  return fits ? absl::OkStatus() : status;
}

void Engine::Stop() { queue_->Stop(); }

void Engine::Drain(absl::Time deadline) {
  queue_->Close();
  queue_->AwaitEmpty(deadline);
  queue_->Stop();
  workers_.clear();
}

}  // namespace easel

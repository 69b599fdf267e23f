#include "server/engine/worker.h"

#include <ATen/ops/isfinite.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/denoise.h"
#include "model/io/status_macros.h"
#include "model/nn/spread.h"
#include "server/engine/batcher.h"
#include "server/engine/forward.h"
#include "server/engine/refusal.h"

namespace easel {

Worker::Worker(std::vector<WorkerModel> models, JobQueue* queue, WorkerOptions options)
    : models_(std::move(models)), options_(std::move(options)), queue_(queue), outlook_(options_.costs) {
  const auto here = std::find_if(models_.begin(), models_.end(),
                                 [](const WorkerModel& m) { return m.pipeline != nullptr; });
  device_ = here->pipeline->device();
  device_name_ = device_.str();
  thread_ = std::thread([this] { Run(); });
}

Worker::~Worker() { thread_.join(); }

void Worker::Run() {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  const c10::OptionalDeviceGuard guard(device_);
  team_.emplace(options_.threads);
  while (lost_.ok() && Receive()) Turn();
  if (!lost_.ok()) Leave();
  FailAll(lost_.ok() ? absl::UnavailableError("the server is stopping") : lost_);
}

void Worker::Turn() {
  DropCancelledAndExpired();
  Admit();
  TellPositions();
  if (lost_.ok()) Evaluate();
  if (lost_.ok()) Preview(Finish());
  std::erase_if(active_, [](const auto& active) { return active->ended; });
}

void Worker::FailAll(const absl::Status& status) {
  for (const Waiting& waiting : waiting_) EndJob(waiting.job, status, {}, JobQueue::Was::kWaiting);
  for (const auto& active : active_) End(*active, status);
  waiting_.clear();
  active_.clear();  // here, because its tensors belong to this thread
}

// Gives up what waits, but for what nobody else can take.
void Worker::Leave() {
  std::vector<Job> jobs;
  for (Waiting& waiting : waiting_) {
    outlook_.Ended(waiting.job);
    jobs.push_back(std::move(waiting.job));
  }
  waiting_.clear();
  JobQueue::Bereft bereft = queue_->Lose(options_.index, std::move(jobs), options_.workers_of);
  for (Job& job : bereft.jobs) {  // some of which had not been received yet
    outlook_.Arrived(job, options_.now());
    waiting_.push_back({std::move(job)});
  }
  for (int model : bereft.models) options_.observer->OnModelDown(models_[model].name);
}

bool Worker::Receive() {
  const bool idle = waiting_.empty() && active_.empty();
  JobQueue::Delivery delivery =
      queue_->Take(options_.index, idle ? JobQueue::Patience::kWaitForJobs : JobQueue::Patience::kDoNotWait,
                   SecondsOfWork());
  for (Job& job : delivery.jobs) {
    outlook_.Arrived(job, options_.now());
    waiting_.push_back({.job = std::move(job), .arrived = ++arrived_});
    line_changed_ = true;
  }
  HearOfDeadlines();
  if (options_.policy->drops_hopeless()) RefuseWhatCannotBeDone(delivery.jobs.size());
  return !delivery.stop;
}

void Worker::TakeUp(Waiting waiting) {
  auto active = std::make_unique<Active>();
  active->job = std::move(waiting.job);
  active->arrived = waiting.arrived;
  active->last_served_at = active->job.submitted;
  line_changed_ = true;
  queue_->Began(1);
  active->accounting.device = device_name_;
  const double waited = SecondsSinceSubmit(active->job, options_.now());
  active->accounting.queue_seconds = waited;
  options_.observer->OnDepthChanged(/*waiting=*/-1, /*active=*/1);
  options_.observer->OnStarted(NameOf(active->job), waited);
  if (waiting.foretold_wait.has_value())
    options_.observer->OnWaitForetold(NameOf(active->job), *waiting.foretold_wait, waited);
  active->job.listener->OnStarted(device_name_);

  const Active* previous = active_.empty() ? nullptr : active_.back().get();
  const absl::Status status = Guarded("encode", [&] { return Begin(*active, previous); });
  if (status.ok()) {
    active_.push_back(std::move(active));
  } else {
    End(*active, status);
  }
}

// Encodes the prompts, unless `previous` is another picture of the same request and has done so.
absl::Status Worker::Begin(Active& active, const Active* previous) {
  const Pipeline& pipeline = PipelineOf(active.job);
  if (previous != nullptr && previous->job.prompts == active.job.prompts) {
    active.conditioning = previous->conditioning;
  } else {
    const absl::Time began = options_.now();
    EASEL_ASSIGN_OR_RETURN(GuidedConditioning conditioning, pipeline.Encode(*active.job.prompts));
    active.conditioning = std::make_shared<const GuidedConditioning>(std::move(conditioning));
    active.accounting.encode_seconds = Measured(active.job, Stage::kEncode, began);
    options_.costs->ObserveEncode(active.job.model, active.accounting.encode_seconds);
  }
  active.accounting.prompt_cache_hit = active.conditioning->cache_hit;
  EASEL_ASSIGN_OR_RETURN(active.sampler, pipeline.MakeSampler(active.job.spec));
  active.shape = ShapeOf(active.job.model, active.sampler->Denoised(), *active.conditioning);
  options_.costs->ObserveShape(active.job.model, active.job.spec.width, active.job.spec.height, active.shape);
  return absl::OkStatus();
}

void Worker::Evaluate() {
  const std::vector<Active*> denoising = Denoising();
  std::vector<Active*> batch;
  for (size_t i :
       options_.policy->Pick(ActiveCandidates(options_.now(), Which::kDenoising), options_.costs->times())) {
    batch.push_back(denoising[i]);
  }
  if (!batch.empty()) EvaluateOrEnd(batch);
}

// What fails is tried again in parts, too big a batch in halves, until those at fault are alone; they end.
void Worker::EvaluateOrEnd(const std::vector<Active*>& batch) {
  const absl::Status status = EvaluateTogether(batch);
  if (status.ok() || !lost_.ok()) return;
  if (batch.size() == 1) return End(*batch[0], TooBig(*batch[0], status));
  size_t part = 1;
  if (absl::IsResourceExhausted(status)) {
    int rows = 0;
    for (const Active* active : batch) rows += active->job.rows;
    row_caps_.OnOutOfMemory(batch[0]->shape, rows);
    part = (batch.size() + 1) / 2;
  }
  for (size_t i = 0; i < batch.size() && lost_.ok(); i += part) {
    EvaluateOrEnd({batch.begin() + i, batch.begin() + std::min(i + part, batch.size())});
  }
}

// `status`, and where memory was too little, for what.
absl::Status Worker::TooBig(const Active& active, const absl::Status& status) const {
  if (!absl::IsResourceExhausted(status)) return status;
  const GenerationSpec& spec = active.job.spec;
  return BiggerThanTheDevice(absl::StrCat("a picture of ", spec.width, " × ", spec.height, " (",
                                          active.job.rows, active.job.rows == 1 ? " row" : " rows",
                                          ") is too big for the memory of ", device_name_, ": ",
                                          status.message()));
}

// One evaluation of the network. Not OK: it failed, and no job of the batch has changed.
absl::Status Worker::EvaluateTogether(const std::vector<Active*>& batch) {
  const Job& first = batch[0]->job;
  const ForwardShape& shape = batch[0]->shape;
  const absl::Time began = options_.now();
  int rows = 0;
  std::vector<at::Tensor> predictions;
  EASEL_RETURN_IF_ERROR(Guarded("denoise", [&] {
    std::vector<DenoiseInput> inputs;
    for (const Active* active : batch) {
      inputs.push_back(NextInput(*active->sampler, *active->conditioning));
    }
    rows = RowCount(inputs);
    std::optional<MemoryMeter> meter;  // once a shape and count of rows
    if (!options_.memory->KnowsForward(shape, rows)) meter.emplace();
    predictions = Denoise(PipelineOf(first).transformer(), inputs, /*chunks=*/team_->size(),
                          OnTeam(&*team_, meter ? &*meter : nullptr));
    AwaitDevice(device_);
    if (meter.has_value()) options_.memory->OnForward(shape, rows, meter->peak_bytes());
    return absl::OkStatus();
  }));
  const absl::Time ended = options_.now();
  const double seconds = absl::ToDoubleSeconds(ended - began);
  options_.costs->ObserveForward(batch[0]->shape, rows, seconds);
  for (const Active* active : batch) Spent(active->job, seconds * active->job.rows / rows, ended);
  ++evaluations_;
  row_caps_.OnFitted(shape, rows);
  const int jobs = static_cast<int>(batch.size());
  options_.observer->OnEvaluated(NameOf(first), device_name_, rows, options_.max_batch_rows, jobs, seconds);

  for (int i = 0; i < jobs; ++i) {
    Active& active = *batch[i];
    if (active.accounting.forwards == 0) active.began_denoising = began;
    const absl::Status status = Guarded("sampler", [&] {
      active.sampler->Advance(predictions[i]);
      return absl::OkStatus();
    });
    if (status.ok()) {
      Advanced(active, jobs, ended);
    } else {
      End(active, status);
    }
  }
  return absl::OkStatus();
}

// Books an evaluation of `batch_size` jobs that `active` took part in, and tells of the step if it ended one.
void Worker::Advanced(Active& active, int batch_size, absl::Time now) {
  const Sampler& sampler = *active.sampler;
  JobAccounting& accounting = active.accounting;
  active.last_served = evaluations_;
  active.last_served_at = now;
  active.batch_sizes += batch_size;
  ++accounting.forwards;
  accounting.mean_batch_size = static_cast<double>(active.batch_sizes) / accounting.forwards;
  accounting.denoise_seconds = absl::ToDoubleSeconds(now - active.began_denoising);
  if (sampler.step() == accounting.steps) return;  // between two evaluations of one step

  accounting.steps = sampler.step();
  JobProgress progress;
  progress.step = sampler.step();
  progress.total = sampler.total_steps();
  progress.time = sampler.done() ? 0 : sampler.Next().time;
  progress.batch_size = batch_size;
  progress.eta_seconds = accounting.denoise_seconds / progress.step * (progress.total - progress.step);
  active.job.listener->OnProgress(progress);

  const int every_n = active.job.preview_every_n_steps;
  if (sampler.done()) {
    active.preview_due = 0;
  } else if (every_n > 0 && progress.step % every_n == 0 && active.preview_due == 0) {
    active.preview_due = evaluations_;
  }
}

// The most rows that a forward of the shape is to have.
int Worker::RowCap(const ForwardShape& shape) const {
  return row_caps_.Cap(shape, options_.memory->RowsThatFit(shape, options_.max_batch_rows));
}

absl::StatusOr<Image> Worker::DecodeMeasured(const Active& active) {
  const at::Tensor latent = active.sampler->Denoised();
  // Here, because a decoder may make anything of such a latent: black, for one.
  if (!at::isfinite(latent).all().item<bool>())
    return absl::InternalError("the latent has values that are not finite");
  const Pipeline& pipeline = PipelineOf(active.job);
  const ForwardShape& shape = active.shape;
  std::optional<MemoryMeter> meter;  // once a shape
  std::optional<MemoryMeter::Watch> watch;
  if (!options_.memory->KnowsDecode(shape)) watch.emplace(meter.emplace());
  const ForEach on_team = OnTeam(&*team_, meter ? &*meter : nullptr);
  const SpreadOver spread(on_team);
  auto image = pipeline.Decode(latent, active.job.spec);
  if (image.ok() && meter.has_value()) options_.memory->OnDecode(shape, meter->peak_bytes());
  return image;
}

Worker::Active* Worker::NextToDecode() const {
  const absl::Time now = options_.now();
  Active* next = nullptr;
  for (const auto& active : active_) {
    if (active->ended || !active->sampler->done()) continue;
    if (next == nullptr || GoesBefore(CandidateOf(*active, now), CandidateOf(*next, now)))
      next = active.get();
  }
  return next;
}

Worker::Decoded Worker::Finish() {
  Active* const active = NextToDecode();
  if (active == nullptr) return Decoded::kNo;
  const absl::Time began = options_.now();
  Image image;
  const absl::Status status = Guarded("decode", [&]() -> absl::Status {
    EASEL_ASSIGN_OR_RETURN(image, DecodeMeasured(*active));
    return absl::OkStatus();
  });
  active->accounting.decode_seconds = Measured(active->job, Stage::kDecode, began);
  const GenerationSpec& spec = active->job.spec;
  options_.costs->ObserveDecode(active->job.model, spec.width, spec.height,
                                active->accounting.decode_seconds);
  if (status.ok()) {
    End(*active, std::move(image));
  } else {
    End(*active, TooBig(*active, status));
  }
  return Decoded::kYes;
}

void Worker::Preview(Decoded decoded) {
  Active* by_decoder = nullptr;  // whose preview has been due for longest
  for (const auto& active : active_) {
    if (active->ended || active->preview_due == 0) continue;
    if (active->job.preview_method != "decoder") {
      ShowPreview(*active);
    } else if (by_decoder == nullptr || active->preview_due < by_decoder->preview_due) {
      by_decoder = active.get();
    }
  }
  if (decoded == Decoded::kNo && by_decoder != nullptr) ShowPreview(*by_decoder);
}

void Worker::ShowPreview(Active& active) {
  const absl::Time began = options_.now();
  Image preview;
  const absl::Status status = Guarded("preview", [&]() -> absl::Status {
    const ForEach on_team = OnTeam(&*team_);
    const SpreadOver spread(on_team);
    EASEL_ASSIGN_OR_RETURN(
        preview, PipelineOf(active.job)
                     .Preview(active.sampler->Denoised(), active.job.spec, active.job.preview_method));
    return absl::OkStatus();
  });
  Measured(active.job, Stage::kPreview, began);
  if (absl::IsResourceExhausted(status)) {  // a picture does not end for want of its preview
    active.preview_due = 0;
    return;
  }
  if (!status.ok()) return End(active, status);
  active.job.listener->OnPreview(active.sampler->step(), std::move(preview));
  options_.observer->OnPreview(NameOf(active.job), /*first=*/!active.previewed,
                               absl::ToDoubleSeconds(options_.now() - active.job.submitted));
  active.previewed = true;
  active.preview_due = 0;
}

void Worker::End(Active& active, absl::StatusOr<Image> result) {
  active.ended = true;
  EndJob(active.job, std::move(result), active.accounting, JobQueue::Was::kActive);
}

void Worker::EndJob(const Job& job, absl::StatusOr<Image> result, JobAccounting accounting,
                    JobQueue::Was was) {
  const double seconds = SecondsSinceSubmit(job, options_.now());
  accounting.total_seconds = seconds;
  if (was == JobQueue::Was::kWaiting) accounting.queue_seconds = seconds;
  const absl::StatusCode code = result.status().code();
  // Counted first, so that the metrics already know what a caller has heard.
  options_.observer->OnFinished(NameOf(job), code, accounting);
  options_.observer->OnDepthChanged(was == JobQueue::Was::kWaiting ? -1 : 0,
                                    was == JobQueue::Was::kActive ? -1 : 0);
  if (result.ok()) {
    job.listener->OnImage(*std::move(result), accounting);
  } else {
    job.listener->OnFailure(result.status(), accounting);
  }
  line_changed_ = true;
  outlook_.Ended(job);
  queue_->Ended(job, was);
}

std::vector<Worker::Active*> Worker::Denoising() const {
  std::vector<Active*> denoising;
  for (const auto& active : active_) {
    if (!active->ended && !active->sampler->done()) denoising.push_back(active.get());
  }
  return denoising;
}

double Worker::Measured(const Job& job, Stage stage, absl::Time began) {
  const absl::Time now = options_.now();
  const double seconds = absl::ToDoubleSeconds(now - began);
  options_.observer->OnStage(NameOf(job), stage, seconds);
  Spent(job, seconds, now);
  return seconds;
}

void Worker::Spent(const Job& job, double seconds, absl::Time now) {
  outlook_.Served(job, seconds, now);
  options_.observer->OnTenantServed(job.tenant, seconds);
}

}  // namespace easel

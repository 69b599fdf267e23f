#include "server/metrics/prometheus_observer.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

using prometheus::Histogram;

// From a step of a toy model to a queue of large pictures.
const Histogram::BucketBoundaries kSeconds = {.001, .0025, .005, .01, .025, .05, .1, .25,
                                              .5,   1,     2.5,  5,   10,   30,  60, 120};
constexpr size_t kTenantLabels = 32;
const Histogram::BucketBoundaries kShares = {.125, .25, .375, .5, .625, .75, .875, 1};

std::string Text(std::string_view text) { return std::string(text); }

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

const char* StageName(Stage stage) {
  switch (stage) {
    case Stage::kTokenize:
      return "tokenize";
    case Stage::kEncode:
      return "encode";
    case Stage::kPreview:
      return "preview";
    case Stage::kDecode:
      return "decode";
  }
  return "";
}

}  // namespace

PrometheusObserver::PrometheusObserver(const std::string& version)
    : requests_(AddCounters("easel_requests_total", "Calls ended, by method, model and status code.")),
      in_flight_(AddGauges("easel_requests_in_flight", "Calls begun and not ended, by method.")),
      request_seconds_(AddHistograms("easel_request_seconds", "From a call's arrival to its end.")),
      waiting_(AddGauges("easel_queue_depth", "Pictures that wait for a worker.")),
      active_(AddGauges("easel_pictures_active", "Pictures that a worker has taken up.")),
      admitted_(AddCounters("easel_pictures_admitted_total", "Pictures accepted.")),
      refused_(AddCounters("easel_pictures_refused_total", "Pictures refused at the door, by status code.")),
      ended_(AddCounters("easel_pictures_ended_total", "Pictures ended, by status code; OK: made.")),
      queue_seconds_(AddHistograms("easel_queue_seconds", "Wait of a picture until a worker took it up.")),
      first_preview_seconds_(
          AddHistograms("easel_first_preview_seconds", "From a picture's admission to its first preview.")),
      stage_seconds_(AddHistograms("easel_stage_seconds",
                                   "One run of a stage; denoise: from a picture's first step to its last.")),
      step_seconds_(
          AddHistograms("easel_step_seconds",
                        "One forward of the network, by the pictures that shared it (at most `batch`).")),
      batch_occupancy_(
          AddHistograms("easel_batch_occupancy", "Rows of a forward, as a share of those it may have.")),
      forwards_(AddCounters("easel_forwards_total", "Forwards of the network.")),
      forward_rows_(
          AddCounters("easel_forward_rows_total", "Rows of all forwards; a guided picture takes two.")),
      padded_rows_(
          AddCounters("easel_forward_rows_padded_total",
                      "Those of no picture's. Always 0: a forward has just the rows that were asked for.")),
      steps_(AddCounters("easel_steps_total", "Steps done, summed over pictures that have ended.")),
      wasted_steps_(
          AddCounters("easel_steps_wasted_total", "Those of pictures that were cancelled or failed.")),
      deadline_misses_(AddCounters("easel_deadline_misses_total",
                                   "Pictures taken and then dropped because of their deadline.")),
      deadline_refusals_(
          AddCounters("easel_deadline_refusals_total",
                      "Pictures given up because their deadline could not be met any more: when they came "
                      "(arrival) or later (later).")),
      wait_error_seconds_(
          AddHistograms("easel_wait_error_seconds",
                        "How far the wait that a picture was first told was from its real one.")),
      tenant_seconds_(
          AddCounters("easel_tenant_seconds_total",
                      "Workers' time spent on a tenant's pictures; from the 33rd tenant on: `others`.")),
      model_up_(AddGauges("easel_model_up", "Whether a device is left that has the model: 1 or 0.")),
      previews_made_(AddCounters("easel_previews_made_total", "Previews made by the workers.")),
      previews_sent_(AddCounters("easel_previews_sent_total", "Previews sent.")),
      previews_coalesced_(AddCounters("easel_previews_coalesced_total",
                                      "Previews replaced by newer ones before they were sent.")),
      images_(AddCounters("easel_images_total", "Pictures written in their format.")),
      pixels_(AddCounters("easel_pixels_total", "Their pixels.")),
      bytes_sent_(AddCounters("easel_sent_bytes_total", "Bytes of the generation calls' messages.")),
      load_seconds_(AddGauges("easel_model_load_seconds", "Time that loading the model took.")),
      weights_bytes_(AddGauges("easel_model_weights_bytes", "Memory that the model's weights take.")),
      memory_allocated_(
          AddGauges("easel_device_memory_allocated_bytes",
                    "Memory handed out: by LibTorch's allocator of the GPU; on the CPU by malloc.")),
      memory_reserved_(AddGauges("easel_device_memory_reserved_bytes",
                                 "Memory which that allocator holds, handed out or not.")),
      build_info_(AddGauges("easel_build_info", "1, with the version as label.")),
      certificate_expires_(AddGauges("easel_certificate_expires_seconds",
                                     "When the certificate that is served expires, in Unix time.")),
      reload_failures_(AddCounters("easel_reload_failures_total",
                                   "Looks at a file of secrets that found it bad: the old one stays.")) {
  build_info_.Add({{"version", version}}).Set(1);
  waiting_.Add({});
  active_.Add({});
  bytes_sent_.Add({});
  for (const char* file : {"certificate", "keys"}) reload_failures_.Add({{"file", file}});
}

PrometheusObserver::Counters& PrometheusObserver::AddCounters(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
}
PrometheusObserver::Gauges& PrometheusObserver::AddGauges(const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
}
PrometheusObserver::Histograms& PrometheusObserver::AddHistograms(const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
}

absl::StatusOr<int> PrometheusObserver::Listen(const std::string& host, int port) {
  auto server = PageServer::Open(host, port, [this] { return Scrape(); });
  if (!server.ok()) return server.status();
  page_server_ = *std::move(server);
  return page_server_->port();
}

std::string PrometheusObserver::Scrape() {
  MeasureMemory();
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

void PrometheusObserver::SetModel(std::string_view model, double load_seconds, int64_t weight_bytes) {
  const prometheus::Labels label = {{"model", Text(model)}};
  load_seconds_.Add(label).Set(load_seconds);
  weights_bytes_.Add(label).Set(static_cast<double>(weight_bytes));
  model_up_.Add(label).Set(1);
  // A counter that first appears with its first event hides that event from rate().
  for (Counters* counters : {&admitted_, &padded_rows_, &steps_, &wasted_steps_, &deadline_misses_,
                             &previews_made_, &previews_sent_, &previews_coalesced_, &images_, &pixels_}) {
    counters->Add(label);
  }
  for (Histograms* histograms : {&queue_seconds_, &first_preview_seconds_, &wait_error_seconds_}) {
    histograms->Add(label, kSeconds);
  }
  for (const char* when : {"arrival", "later"})
    deadline_refusals_.Add({{"model", Text(model)}, {"when", when}});
  for (const char* stage : {"tokenize", "encode", "denoise", "preview", "decode", "image_encode"}) {
    stage_seconds_.Add({{"model", Text(model)}, {"stage", stage}}, kSeconds);
  }
}

void PrometheusObserver::SetDevices(std::vector<std::string> devices, UseOfMemory use) {
  MutexLock lock(&mutex_);
  devices_ = std::move(devices);
  use_of_memory_ = std::move(use);
}

void PrometheusObserver::MeasureMemory() {
  std::vector<std::string> devices;
  UseOfMemory use;
  {
    MutexLock lock(&mutex_);
    devices = devices_;
    use = use_of_memory_;
  }
  for (const std::string& device : devices) {
    const std::optional<MemoryUse> now = use(device);
    if (!now.has_value()) continue;
    memory_allocated_.Add({{"device", device}}).Set(static_cast<double>(now->allocated));
    memory_reserved_.Add({{"device", device}}).Set(static_cast<double>(now->reserved));
  }
}

void PrometheusObserver::SetCertificate(absl::Time not_after) {
  certificate_expires_.Add({}).Set(absl::ToDoubleSeconds(not_after - absl::UnixEpoch()));
}

void PrometheusObserver::OnReloadFailed(std::string_view file) {
  reload_failures_.Add({{"file", Text(file)}}).Increment();
}

void PrometheusObserver::OnAdmitted(std::string_view model, int jobs) {
  admitted_.Add({{"model", Text(model)}}).Increment(jobs);
}

void PrometheusObserver::OnRejected(std::string_view model, absl::StatusCode code, int jobs) {
  refused_.Add({{"model", Text(model)}, {"code", CodeName(code)}}).Increment(jobs);
}

void PrometheusObserver::OnDepthChanged(int waiting, int active) {
  waiting_.Add({}).Increment(waiting);
  active_.Add({}).Increment(active);
}

void PrometheusObserver::OnStarted(std::string_view model, double queue_seconds) {
  queue_seconds_.Add({{"model", Text(model)}}, kSeconds).Observe(queue_seconds);
}

void PrometheusObserver::OnWaitForetold(std::string_view model, double foretold_seconds,
                                        double queue_seconds) {
  wait_error_seconds_.Add({{"model", Text(model)}}, kSeconds)
      .Observe(std::abs(foretold_seconds - queue_seconds));
}

void PrometheusObserver::OnDeadlineRefused(std::string_view model) {
  deadline_refusals_.Add({{"model", Text(model)}, {"when", "arrival"}}).Increment();
}

void PrometheusObserver::OnHopeless(std::string_view model) {
  deadline_refusals_.Add({{"model", Text(model)}, {"when", "later"}}).Increment();
}

void PrometheusObserver::OnTenantServed(std::string_view tenant, double seconds) {
  MutexLock lock(&mutex_);
  auto series = seconds_of_tenant_.find(tenant);
  if (series == seconds_of_tenant_.end()) {
    if (seconds_of_tenant_.size() >= kTenantLabels) {
      tenant_seconds_.Add({{"tenant", "others"}}).Increment(seconds);
      return;
    }
    const std::string label = Text(tenant);
    series = seconds_of_tenant_.emplace(label, &tenant_seconds_.Add({{"tenant", label}})).first;
  }
  series->second->Increment(seconds);
}

void PrometheusObserver::OnModelDown(std::string_view model) {
  model_up_.Add({{"model", Text(model)}}).Set(0);
}

void PrometheusObserver::OnFinished(std::string_view model, absl::StatusCode code,
                                    const JobAccounting& accounting) {
  const std::string name = Text(model);
  ended_.Add({{"model", name}, {"code", CodeName(code)}}).Increment();
  steps_.Add({{"model", name}}).Increment(accounting.steps);
  if (code == absl::StatusCode::kOk) {
    stage_seconds_.Add({{"model", name}, {"stage", "denoise"}}, kSeconds).Observe(accounting.denoise_seconds);
  } else {
    wasted_steps_.Add({{"model", name}}).Increment(accounting.steps);
  }
  if (code == absl::StatusCode::kDeadlineExceeded) deadline_misses_.Add({{"model", name}}).Increment();
}

PrometheusObserver::ForwardSeries& PrometheusObserver::SeriesOf(std::string_view model,
                                                                std::string_view device) {
  for (ForwardSeries& series : forward_series_) {
    if (series.model == model && series.device == device) return series;
  }
  const prometheus::Labels labels = {{"model", Text(model)}, {"device", Text(device)}};
  return forward_series_.emplace_back(ForwardSeries{Text(model),
                                                    Text(device),
                                                    &forwards_.Add(labels),
                                                    &forward_rows_.Add(labels),
                                                    &batch_occupancy_.Add(labels, kShares),
                                                    {}});
}

void PrometheusObserver::OnEvaluated(std::string_view model, std::string_view device, int rows, int max_rows,
                                     int jobs, double seconds) {
  const size_t bound =
      std::lower_bound(kBatchBounds.begin(), kBatchBounds.end(), jobs) - kBatchBounds.begin();
  MutexLock lock(&mutex_);
  ForwardSeries& series = SeriesOf(model, device);
  if (series.seconds[bound] == nullptr) {
    const std::string label = bound < kBatchBounds.size() ? absl::StrCat(kBatchBounds[bound]) : "more";
    series.seconds[bound] =
        &step_seconds_.Add({{"model", Text(model)}, {"device", Text(device)}, {"batch", label}}, kSeconds);
  }
  series.forwards->Increment();
  series.rows->Increment(rows);
  series.occupancy->Observe(static_cast<double>(rows) / max_rows);
  series.seconds[bound]->Observe(seconds);
}

void PrometheusObserver::OnStage(std::string_view model, Stage stage, double seconds) {
  stage_seconds_.Add({{"model", Text(model)}, {"stage", StageName(stage)}}, kSeconds).Observe(seconds);
}

void PrometheusObserver::OnPreview(std::string_view model, bool first, double seconds_since_submit) {
  previews_made_.Add({{"model", Text(model)}}).Increment();
  if (first) first_preview_seconds_.Add({{"model", Text(model)}}, kSeconds).Observe(seconds_since_submit);
}

void PrometheusObserver::OnCallBegan(std::string_view rpc) {
  in_flight_.Add({{"rpc", Text(rpc)}}).Increment();
}

void PrometheusObserver::OnCallEnded(const CallRecord& record) {
  in_flight_.Add({{"rpc", Text(record.rpc)}}).Decrement();
  requests_
      .Add({{"rpc", Text(record.rpc)}, {"model", record.model}, {"code", CodeName(record.status.code())}})
      .Increment();
  request_seconds_.Add({{"rpc", Text(record.rpc)}, {"model", record.model}}, kSeconds)
      .Observe(record.seconds);
}

void PrometheusObserver::OnPictureWritten(std::string_view model, int width, int height, double seconds) {
  const std::string name = Text(model);
  images_.Add({{"model", name}}).Increment();
  pixels_.Add({{"model", name}}).Increment(static_cast<double>(width) * height);
  stage_seconds_.Add({{"model", name}, {"stage", "image_encode"}}, kSeconds).Observe(seconds);
}

void PrometheusObserver::OnPreviewSent(std::string_view model) {
  previews_sent_.Add({{"model", Text(model)}}).Increment();
}

void PrometheusObserver::OnPreviewCoalesced(std::string_view model) {
  previews_coalesced_.Add({{"model", Text(model)}}).Increment();
}

void PrometheusObserver::OnBytesSent(int64_t bytes) {
  bytes_sent_.Add({}).Increment(static_cast<double>(bytes));
}

}  // namespace easel

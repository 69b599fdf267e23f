// What engine and service tell, as Prometheus metrics at http://HOST:PORT/metrics; server/README.md lists
// them. Labels are bounded: models, devices, stages, methods, codes, kinds of file, 32 tenants; never a
// prompt. Thread-safe; a call costs an atomic operation or two and a short lock, and but for what comes with
// every forward a lookup of the labelled series.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/engine/engine_observer.h"
#include "server/engine/memory_use.h"
#include "server/metrics/page_server.h"
#include "server/service/service_observer.h"
#include "server/sync/mutex.h"

namespace easel {

class PrometheusObserver : public EngineObserver, public ServiceObserver {
 public:
  explicit PrometheusObserver(const std::string& version);

  // Serves the page, from threads of its own, until destroyed; port 0 picks one. The port it got. Unavailable
  // when the address cannot be had. At most once.
  absl::StatusOr<int> Listen(const std::string& host, int port);
  // The page.
  std::string Scrape();

  // A model that is served: from now on its series are on the page, at 0 until something happens.
  void SetModel(std::string_view model, double load_seconds, int64_t weight_bytes);
  // Devices whose memory the page tells; `use` is asked whenever the page is.
  using UseOfMemory = std::function<std::optional<MemoryUse>(const std::string& device)>;
  void SetDevices(std::vector<std::string> devices, UseOfMemory use);

  // The certificate that is served from now on.
  void SetCertificate(absl::Time not_after);
  // A file of secrets was read again and refused. `file`: "certificate" or "keys".
  void OnReloadFailed(std::string_view file);

  // EngineObserver
  void OnAdmitted(std::string_view model, int jobs) override;
  void OnRejected(std::string_view model, absl::StatusCode code, int jobs) override;
  void OnDepthChanged(int waiting, int active) override;
  void OnStarted(std::string_view model, double queue_seconds) override;
  void OnWaitForetold(std::string_view model, double foretold_seconds, double queue_seconds) override;
  void OnDeadlineRefused(std::string_view model) override;
  void OnHopeless(std::string_view model) override;
  void OnTenantServed(std::string_view tenant, double seconds) override;
  void OnModelDown(std::string_view model) override;
  void OnFinished(std::string_view model, absl::StatusCode code, const JobAccounting& accounting) override;
  void OnEvaluated(std::string_view model, std::string_view device, int rows, int max_rows, int jobs,
                   double seconds) override;
  void OnStage(std::string_view model, Stage stage, double seconds) override;
  void OnPreview(std::string_view model, bool first, double seconds_since_submit) override;

  // ServiceObserver
  void OnCallBegan(std::string_view rpc) override;
  void OnCallEnded(const CallRecord& record) override;
  void OnPictureWritten(std::string_view model, int width, int height, double seconds) override;
  void OnPreviewSent(std::string_view model) override;
  void OnPreviewCoalesced(std::string_view model) override;
  void OnBytesSent(int64_t bytes) override;

 private:
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<prometheus::Histogram>;
  Counters& AddCounters(const char* name, const char* help);
  Gauges& AddGauges(const char* name, const char* help);
  Histograms& AddHistograms(const char* name, const char* help);
  void MeasureMemory();

  // By how many pictures shared a forward; the label is the bound, so that it is bounded whatever --max-batch
  // is.
  static constexpr std::array<int, 6> kBatchBounds = {1, 2, 4, 8, 16, 32};
  // A model's series on a device.
  struct ForwardSeries {
    std::string model, device;
    prometheus::Counter* forwards;
    prometheus::Counter* rows;
    prometheus::Histogram* occupancy;
    std::array<prometheus::Histogram*, kBatchBounds.size() + 1> seconds;  // null: no such forward yet
  };
  ForwardSeries& SeriesOf(std::string_view model, std::string_view device)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  prometheus::Registry registry_;
  Counters& requests_;
  Gauges& in_flight_;
  Histograms& request_seconds_;
  Gauges& waiting_;
  Gauges& active_;
  Counters& admitted_;
  Counters& refused_;
  Counters& ended_;
  Histograms& queue_seconds_;
  Histograms& first_preview_seconds_;
  Histograms& stage_seconds_;
  Histograms& step_seconds_;
  Histograms& batch_occupancy_;
  Counters& forwards_;
  Counters& forward_rows_;
  Counters& padded_rows_;
  Counters& steps_;
  Counters& wasted_steps_;
  Counters& deadline_misses_;
  Counters& deadline_refusals_;
  Histograms& wait_error_seconds_;
  Counters& tenant_seconds_;
  Gauges& model_up_;
  Counters& previews_made_;
  Counters& previews_sent_;
  Counters& previews_coalesced_;
  Counters& images_;
  Counters& pixels_;
  Counters& bytes_sent_;
  Gauges& load_seconds_;
  Gauges& weights_bytes_;
  Gauges& memory_allocated_;
  Gauges& memory_reserved_;
  Gauges& build_info_;
  Gauges& certificate_expires_;
  Counters& reload_failures_;

  Mutex mutex_;
  std::vector<std::string> devices_ ABSL_GUARDED_BY(mutex_);
  UseOfMemory use_of_memory_ ABSL_GUARDED_BY(mutex_);
  // Found once, for looking a series up by its labels costs more than all else between two forwards. The
  // library never moves nor drops them.
  std::vector<ForwardSeries> forward_series_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, prometheus::Counter*, std::less<>> seconds_of_tenant_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<PageServer> page_server_;  // last: its threads ask for the page
};

}  // namespace easel

#include "server/inference/statistics.h"

#include <algorithm>
#include <cmath>

#include "server/inference/infer_request.h"

namespace easel {
namespace {

void Count(double seconds, inference::StatisticDuration* duration) {
  duration->set_count(duration->count() + 1);
  duration->set_ns(duration->ns() + static_cast<uint64_t>(std::llround(std::max(seconds, 0.0) * 1e9)));
}

}  // namespace

void InferenceStatistics::Add(std::string_view model, const CallRecord& record, absl::Time now) {
  MutexLock lock(&mutex_);
  Sums& sums = sums_[std::string(model)];
  inference::InferStatistics& stages = *sums.counted.mutable_inference_stats();
  if (!record.status.ok()) {
    Count(record.seconds, stages.mutable_fail());
    return;
  }
  const JobAccounting& took = record.accounting;
  Count(record.seconds, stages.mutable_success());
  Count(took.queue_seconds, stages.mutable_queue());
  Count(took.encode_seconds, stages.mutable_compute_input());
  Count(took.denoise_seconds, stages.mutable_compute_infer());
  Count(took.decode_seconds, stages.mutable_compute_output());
  sums.counted.set_inference_count(sums.counted.inference_count() + static_cast<uint64_t>(record.num_images));
  sums.counted.set_last_inference(static_cast<uint64_t>(absl::ToUnixMillis(now)));
  sums.executions += record.num_images / std::max(took.mean_batch_size, 1.0);
}

inference::ModelStatistics InferenceStatistics::Of(std::string_view model) const {
  inference::ModelStatistics statistics;
  {
    MutexLock lock(&mutex_);
    if (const auto found = sums_.find(model); found != sums_.end()) {
      statistics = found->second.counted;
      // At least one, once there was any.
      statistics.set_execution_count(static_cast<uint64_t>(std::ceil(found->second.executions - 1e-9)));
    }
  }
  statistics.set_name(std::string(model));
  statistics.set_version(kModelVersion);
  // Each is there, be it 0.
  inference::InferStatistics& stages = *statistics.mutable_inference_stats();
  stages.mutable_success();
  stages.mutable_fail();
  stages.mutable_queue();
  stages.mutable_compute_input();
  stages.mutable_compute_infer();
  stages.mutable_compute_output();
  stages.mutable_cache_hit();
  stages.mutable_cache_miss();
  return statistics;
}

}  // namespace easel

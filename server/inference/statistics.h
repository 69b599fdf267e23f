// What ModelStatistics tells: sums over the requests that came by this protocol.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "inference/grpc_service.pb.h"
#include "server/service/service_observer.h"
#include "server/sync/mutex.h"

namespace easel {

// Thread-safe. Its mutex is never held while another is taken.
class InferenceStatistics {
 public:
  // A request for `model`, one that is served, has ended at `now`.
  void Add(std::string_view model, const CallRecord& record, absl::Time now);
  // All 0 for a model that was not asked for yet.
  inference::ModelStatistics Of(std::string_view model) const;

 private:
  struct Sums {
    inference::ModelStatistics counted;  // all but execution_count
    double executions = 0;
  };
  mutable Mutex mutex_;
  std::map<std::string, Sums, std::less<>> sums_ ABSL_GUARDED_BY(mutex_);  // by model
};

}  // namespace easel

// What the engine tells of itself as a whole: all that metrics need, without knowing any.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "server/engine/job_listener.h"

namespace easel {

enum class Stage { kTokenize, kEncode, kPreview, kDecode };

// Override what is of interest. Calls come from submitting threads and from the workers' threads, several at
// once; they must neither block nor throw. `model` is the served name and lives for the call only.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  // Submit's thread: this many jobs were accepted, or refused for this reason (the requested name may then be
  // no model's: `model` is empty).
  virtual void OnAdmitted(std::string_view model, int jobs) {}
  virtual void OnRejected(std::string_view model, absl::StatusCode code, int jobs) {}
  // Jobs waiting, and being worked on, in the whole engine became so many more (negative: fewer). Changes,
  // not levels, because the calls of several threads may overtake one another.
  virtual void OnDepthChanged(int waiting, int active) {}
  // One job was taken up, after so long a wait.
  virtual void OnStarted(std::string_view model, double queue_seconds) {}
  // That job had been told this wait when it was first left waiting.
  virtual void OnWaitForetold(std::string_view model, double foretold_seconds, double queue_seconds) {}
  // One job is about to end with DeadlineExceeded although the deadline has not passed, because it cannot be
  // met: told when it came (then it was never started), or given up later. Those refused in Submit are
  // OnRejected.
  virtual void OnDeadlineRefused(std::string_view model) {}
  virtual void OnHopeless(std::string_view model) {}
  // So many seconds of a worker's time were spent on the tenant's jobs. `tenant` lives for the call only; how
  // many there are is for those who name them to bound.
  virtual void OnTenantServed(std::string_view tenant, double seconds) {}
  // One job ended: kOk with its picture, else why not. accounting.steps of a cancelled one were done for
  // nothing.
  virtual void OnFinished(std::string_view model, absl::StatusCode code, const JobAccounting& accounting) {}
  // One evaluation of the network: `rows` of conditioning and latents for `jobs` pictures, of at most
  // `max_rows`.
  virtual void OnEvaluated(std::string_view model, std::string_view device, int rows, int max_rows, int jobs,
                           double seconds) {}
  // One run of a stage.
  virtual void OnStage(std::string_view model, Stage stage, double seconds) {}
  // The last worker that had the model lost its device. Once a model; its jobs hear of it later.
  virtual void OnModelDown(std::string_view model) {}
  // A preview was handed to its listener. `first`: of its job, so long after Submit.
  virtual void OnPreview(std::string_view model, bool first, double seconds_since_submit) {}
};

}  // namespace easel

// Events of one job, upwards: what the engine tells of one picture in flight.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "model/image.h"

namespace easel {

// What one picture took. Seconds are wall time.
struct JobAccounting {
  double queue_seconds = 0;    // from Submit until a worker took the job
  double encode_seconds = 0;   // making its condition; 0 when another picture of the request had made it
  double denoise_seconds = 0;  // from its first evaluation to the end of its last, others' turns included
  double decode_seconds = 0;   // from latent to pixels
  double total_seconds = 0;    // from Submit to the end
  int steps = 0;               // steps done
  int forwards = 0;            // evaluations of the network that it took part in
  double mean_batch_size = 0;  // jobs in such an evaluation, itself included, on average
  bool prompt_cache_hit = false;
  // From Submit until it would have been done, at best: where it was refused or dropped because it cannot be
  // done by its deadline.
  std::optional<double> estimated_seconds;
  std::string device;  // such as "cpu" or "cuda:0"; empty when no worker took the job
};

struct JobProgress {
  int step = 0;  // steps done, 1 to total
  int total = 0;
  double time = 0;         // the model's time that this step reached, 0 at the end
  int batch_size = 0;      // jobs that shared the step's (last) evaluation
  double eta_seconds = 0;  // until the last step is done, at this job's pace so far
};

// One listener hears of one job. The calls come one at a time, on the worker's thread, and must neither block
// nor throw: a worker's every job waits meanwhile. The order is
//   OnQueued*  OnStarted?  (OnProgress OnPreview?)*  then one of OnImage and OnFailure
// The first of them may come before Submit returns. After the last the engine lets go of the listener.
class JobListener {
 public:
  virtual ~JobListener() = default;
  // Still waiting: when the worker first leaves it waiting, and when `position` has changed since. Never
  // called when work begins at once. `position`: jobs to be begun before it. The wait is from now on, if
  // nobody comes who goes before it; absent until the forwards' pace is known.
  virtual void OnQueued(int position, std::optional<double> estimated_wait_seconds) = 0;
  virtual void OnStarted(const std::string& device) = 0;
  virtual void OnProgress(const JobProgress& progress) = 0;
  // After every n-th step but the last; `step`: steps done. Decoder previews may skip steps while others
  // share the worker.
  virtual void OnPreview(int step, Image preview) = 0;
  virtual void OnImage(Image image, const JobAccounting& accounting) = 0;
  // Cancelled (by its handle), DeadlineExceeded (it has passed or cannot be met), Unavailable (drained),
  // Internal (the network or decoder failed; NaN).
  virtual void OnFailure(const absl::Status& status, const JobAccounting& accounting) = 0;
};

}  // namespace easel

// Sends a load and records what becomes of each request.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/image_client.h"
#include "client/load/load_mix.h"
#include "client/load/load_options.h"
#include "client/load/load_plan.h"
#include "client/load/load_report.h"

namespace easel {

// The request of one kind with a picture's seed, unless the kind has its own.
v1::GenerateRequest RequestOf(const LoadKind& kind, uint64_t seed);

// Tells pictures apart: equal for the same bytes; for others, by chance, once in 2^64. Of this process alone.
uint64_t DigestOf(const v1::GenerateResponse& response);

// Seconds of a clock that only goes forward.
double LoadClock();

class LoadRun {
 public:
  // One that has ended.
  struct Ended {
    LoadRecord record;
    v1::GenerateRequest request;
    bool measured = false;  // else of the warm-up
    uint64_t digest = 0;    // of its pictures, when it completed and options.verify is set
  };
  struct Progress {
    size_t sent = 0, in_flight = 0, completed = 0, failed = 0;
    double seconds = 0;  // since the first was sent
  };
  using OnTick = std::function<void(const Progress&)>;

  // `solo`: seconds of each kind alone. All must outlive this object.
  LoadRun(ImageClient& client, const LoadOptions& options, const std::vector<LoadKind>& mix,
          const std::vector<double>& solo)
      : client_(client), options_(options), mix_(mix), solo_(solo) {}

  // Sends all, waits for all, and returns them in the order of their end. Every request goes out at its time,
  // however many are under way. Calls on_tick, on this thread, several times a second. client.Cancel() ends
  // it early: what it cut off is left out. Once.
  std::vector<Ended> Run(const OnTick& on_tick);

 private:
  // Blocks until `due`, or in a closed loop until there is room; false when interrupted.
  bool WaitForTurn(double due, const OnTick& on_tick);
  void Send(const PlannedRequest& planned, double due, bool measured);
  void Tick(const OnTick& on_tick);

  ImageClient& client_;
  const LoadOptions& options_;
  const std::vector<LoadKind>& mix_;
  const std::vector<double>& solo_;
  double start_ = 0;
  size_t sent_ = 0;

  absl::Mutex mutex_;
  size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t completed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Ended> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel

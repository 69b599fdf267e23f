#include "client/load/load_run.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>

#include "absl/time/clock.h"

namespace easel {
namespace {

constexpr double kTick = 0.1;  // seconds

// One request under way. Only the call's own thread touches it.
struct Call {
  LoadRun::Ended ended;
  std::optional<double> queued;  // when the first `queued` came

  void OnEvent(const v1::GenerationEvent& event) {
    LoadRecord& record = ended.record;
    if (event.has_queued() && !queued.has_value()) {
      queued = LoadClock();
      if (event.queued().has_estimated_wait_seconds())
        record.estimated_wait = event.queued().estimated_wait_seconds();
    } else if (event.has_started() && queued.has_value()) {
      record.waited = LoadClock() - *queued;
    } else if (event.has_preview() && !record.first_preview.has_value()) {
      record.first_preview = LoadClock();
    }
  }
};

}  // namespace

v1::GenerateRequest RequestOf(const LoadKind& kind, uint64_t seed) {
  v1::GenerateRequest request = kind.request;
  if (!request.has_seed()) request.set_seed(seed);
  return request;
}

uint64_t DigestOf(const v1::GenerateResponse& response) {
  uint64_t digest = 0;
  for (const v1::GeneratedImage& image : response.images()) {
    digest = digest * 31 + std::hash<std::string_view>()(image.data());
  }
  return digest;
}

double LoadClock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<LoadRun::Ended> LoadRun::Run(const OnTick& on_tick) {
  std::vector<double> weights;
  for (const LoadKind& kind : mix_) weights.push_back(kind.weight);
  LoadPlan plan(options_.seed, options_.rate, options_.burst, weights);
  const bool open = options_.rate.has_value();
  double measured_from = 0;
  start_ = LoadClock();
  for (uint64_t i = 0;; ++i) {
    if (options_.requests.has_value() && i == options_.warmup + *options_.requests) break;
    const PlannedRequest planned = plan.Next();
    const bool measured = i >= options_.warmup;
    const auto is_over = [&](double due) {
      if (i == options_.warmup) measured_from = due;
      return measured && options_.duration.has_value() && due > measured_from + *options_.duration;
    };
    if (open && is_over(start_ + planned.arrival)) break;
    if (!WaitForTurn(start_ + planned.arrival, on_tick)) break;
    const double due = open ? start_ + planned.arrival : LoadClock();
    if (!open && is_over(due)) break;
    Send(planned, due, measured);
  }
  bool waiting = true;
  while (waiting) {
    Tick(on_tick);
    absl::MutexLock lock(&mutex_);
    const auto all_ended = [this] {
      mutex_.AssertHeld();
      return in_flight_ == 0;
    };
    waiting = !mutex_.AwaitWithTimeout(absl::Condition(&all_ended), absl::Seconds(kTick));
  }
  absl::MutexLock lock(&mutex_);
  return std::move(ended_);
}

bool LoadRun::WaitForTurn(double due, const OnTick& on_tick) {
  while (true) {
    if (client_.cancelled()) return false;
    if (options_.rate.has_value()) {
      const double left = due - LoadClock();
      if (left <= 0) return true;
      absl::SleepFor(absl::Seconds(std::min(left, kTick)));
    } else {
      absl::MutexLock lock(&mutex_);
      const auto has_room = [this] {
        mutex_.AssertHeld();
        return in_flight_ < options_.concurrency;
      };
      if (mutex_.AwaitWithTimeout(absl::Condition(&has_room), absl::Seconds(kTick))) return true;
    }
    Tick(on_tick);
  }
}

void LoadRun::Send(const PlannedRequest& planned, double due, bool measured) {
  const LoadKind& kind = mix_[planned.kind];
  auto call = std::make_shared<Call>();
  call->ended.request = RequestOf(kind, planned.seed);
  call->ended.measured = measured;
  LoadRecord& record = call->ended.record;
  record.tenant = kind.tenant;
  record.planned = due;
  record.sent = LoadClock();
  record.solo = solo_[planned.kind];
  record.deadline = kind.deadline_factor.value_or(options_.slo) * record.solo;
  const absl::Duration timeout =
      options_.deadline ? absl::Seconds(due + record.deadline - record.sent) : absl::InfiniteDuration();
  {
    absl::MutexLock lock(&mutex_);
    ++in_flight_;
  }
  ++sent_;
  client_.StartGenerate(
      call->ended.request, timeout, kind.tenant,
      [call](const v1::GenerationEvent& event) { call->OnEvent(event); },
      [this, call](absl::StatusOr<v1::GenerateResponse> response) {
        LoadRecord& result = call->ended.record;
        result.ended = LoadClock();
        result.code = response.status().code();
        result.message = std::string(response.status().message());
        if (response.ok()) {
          result.queue_seconds = response->accounting().queue_seconds();
          result.mean_batch = response->accounting().mean_batch_size();
          if (options_.verify) call->ended.digest = DigestOf(*response);
        }
        const bool cut_off = !response.ok() && client_.cancelled();
        absl::MutexLock lock(&mutex_);
        --in_flight_;
        if (response.ok()) ++completed_;
        if (!cut_off) ended_.push_back(std::move(call->ended));
      });
}

void LoadRun::Tick(const OnTick& on_tick) {
  Progress progress{.sent = sent_, .seconds = LoadClock() - start_};
  {
    absl::MutexLock lock(&mutex_);
    progress.in_flight = in_flight_;
    progress.completed = completed_;
  }
  progress.failed = progress.sent - progress.in_flight - progress.completed;
  on_tick(progress);
}

}  // namespace easel
